"""Check an installation: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

import av
import imageio_ffmpeg
import torch

from scenivid.flow.raft import cached, embedded
from scenivid.styles.published import models_dir
from scenivid.styles.zoo import embedded as embedded_styles

_EXTRAS = {
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "train": ("accelerate", "tensorboard", "timm", "webdataset"),
    "eval": ("lpips", "jinja2", "timm"),
}
_ENCODERS = ("libx264", "libx265", "libsvtav1", "prores_ks", "ffv1")
_GPU_ENCODERS = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    subject: str
    good: bool
    """False only where something that every user needs doesn't work."""
    text: str
    """What is there, or what to do."""


def examine() -> Iterator[Finding]:
    """Check versions, devices, codecs, weights and folders, one after the other."""
    yield Finding("scenivid", True, f"{metadata.version('scenivid')}, Python {platform.python_version()}")
    yield Finding("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        yield Finding("CUDA", True, names)
    else:
        yield Finding("CUDA", True, "no device: everything runs on the CPU")
    yield _importable("decord", "pip install decord2")
    yield Finding("PyAV", True, f"{av.__version__}, FFmpeg libraries {av.ffmpeg_version_info}")
    missing = [name for name in _ENCODERS if name not in av.codecs_available]
    advice = f"no {', '.join(missing)}: reinstall PyAV from PyPI" if missing else ", ".join(_ENCODERS)
    yield Finding("encoders", not missing, advice)
    found = [name for name in _GPU_ENCODERS if name in av.codecs_available]
    yield Finding("GPU encoders", True, f"known to this build: {', '.join(found) or 'none'}")
    yield _ffmpeg()
    styles = embedded_styles()
    yield Finding("styles", bool(styles), ", ".join(styles) or "none: reinstall scenivid")
    raft = cached("raft-small") or embedded("raft-small")
    yield Finding(
        "RAFT", True, f"raft-small from {raft.name}" if raft else "no weights here: fetched when asked for"
    )
    yield _folder(models_dir())
    for extra, modules in _EXTRAS.items():
        absent = [name for name in modules if not _has(name)]
        text = (
            f'not installed ({", ".join(absent)}): pip install "scenivid[{extra}]"' if absent else "installed"
        )
        yield Finding(f"extra {extra}", True, text)


def _has(module: str) -> bool:
    try:
        import_module(module)
    except Exception:  # a broken optional package is as good as none
        return False
    return True


def _importable(module: str, advice: str) -> Finding:
    good = _has(module)
    return Finding(module, good, "works" if good else f"can't be imported: {advice}")


def _ffmpeg() -> Finding:
    try:
        return Finding("ffmpeg", True, f"{imageio_ffmpeg.get_ffmpeg_version()} (used by compare)")
    except RuntimeError:
        return Finding("ffmpeg", False, "no binary: pip install --force-reinstall imageio-ffmpeg")


def _folder(path: Path) -> Finding:
    parent = next(folder for folder in (path, *path.parents) if folder.exists())
    good = os.access(parent, os.W_OK)
    return Finding(
        "models folder", good, f"{path}" if good else f"{path} can't be written: set SCENIVID_HOME"
    )
