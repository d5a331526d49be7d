"""Check an installation: what is there, what is missing or broken, and what to do about it.

Nothing is imported before its own check: a package that is missing or broken is named, and the rest is
looked at all the same.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from itertools import islice
from pathlib import Path

_MODULES = {
    "decord2": "decord",
    "opencv-python-headless": "cv2",
    "open-clip-torch": "open_clip",
    "pillow": "PIL",
}
"""Names to import of the packages that are called otherwise."""
_APART = {"decord2"}
"""Packages whose import can take the process with it, or changes it: they are tried in one of their own."""
_PATIENCE_S = 120.0
_RIVALS = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
"""They put their files where opencv-python-headless has its own: whichever came last wins."""
_ENCODERS = ("libx264", "libx265", "libsvtav1", "prores_ks", "ffv1")
_GPU_ENCODERS = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")
_FOR_DEVELOPERS = {"dev", "docs"}
_DAY_S = 24 * 3600.0
_MOST_FOLDERS = 10_000


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    subject: str
    """What was looked at, in a word or two."""
    good: bool
    """Whether it works; what only some need is good even where it is missing."""
    text: str
    """What is there, or what to do."""


def examine(folders: Sequence[Path] = ()) -> Iterator[Finding]:
    """Check packages, devices, codecs, weights and folders, one after the other; never raises.

    Args:
        folders: where to look for what killed runs have left, their subfolders included.
    """
    yield from _packages()
    for subject, check in (
        ("CUDA", _cuda),
        ("encoders", _encoders),
        ("GPU encoders", _gpu_encoders),
        ("styles", _styles),
        ("RAFT", _raft),
        ("models folder", _folder),
        ("left-overs", lambda: _left_overs(folders)),
    ):
        try:
            good, text = check()
        except Exception as exc:  # whatever is broken, it is named and the rest is looked at
            good, text = False, f"can't be checked: {_reason(exc)}"
        yield Finding(subject, good, text)


def _packages() -> Iterator[Finding]:
    """scenivid itself, what it needs, and what each extra adds."""
    try:
        own, wanted = metadata.version("scenivid"), metadata.requires("scenivid") or []
    except metadata.PackageNotFoundError:
        yield Finding("scenivid", False, "not installed here: run `pip install .` in its folder")
        return
    yield Finding("scenivid", True, f"{own}, Python {platform.python_version()}")
    extras: dict[str, list[str]] = {}
    for requirement in wanted:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if "python_version" not in requirement or _has(name):  # those of old Pythons only where they are
            extras.setdefault(extra[1] if extra else "", []).append(name)
    sound = []
    for name in extras.pop("", []):
        reason = _broken(name)
        if reason is None:
            sound.append(f"{name} {metadata.version(name)}")
        else:
            yield Finding(name, False, f"{reason}: pip install --force-reinstall {name}")
    yield Finding("packages", True, ", ".join(sound))
    for rival in filter(_has, _RIVALS):
        advice = f"pip uninstall {rival}, then pip install --force-reinstall opencv-python-headless"
        yield Finding(rival, False, f"overwrites files of opencv-python-headless: {advice}")
    for group in sorted(extras.keys() - _FOR_DEVELOPERS):
        reasons = {name: _broken(name) for name in extras[group]}
        bad = [f"{name} {why}" for name, why in reasons.items() if why]
        text = f'{"; ".join(bad)}: pip install "scenivid[{group}]"' if bad else "installed"
        yield Finding(f"extra {group}", True, text)


def _has(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _broken(distribution: str) -> str | None:
    """Why it can't be used; None if it can."""
    if not _has(distribution):
        return "is not installed"
    name = distribution.lower().replace("_", "-")
    if name in _APART:
        return _broken_apart(_MODULES[name])
    try:
        import_module(_MODULES.get(name, name.replace("-", "_")))
    except Exception as exc:  # what a broken package raises can be anything
        return f"is installed but broken ({_reason(exc)})"
    return None


def _broken_apart(module: str) -> str | None:
    """As `_broken`, found out in a process of its own."""
    command = [sys.executable, "-c", f"import {module}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return f"is installed but broken (not imported after {_PATIENCE_S:g} s)"
    if done.returncode < 0:
        return f"is installed but broken (its import ends in signal {-done.returncode})"
    *_, last = done.stderr.strip().splitlines() or [f"its import ends in status {done.returncode}"]
    return f"is installed but broken ({last[:120]})" if done.returncode else None


def _cuda() -> tuple[bool, str]:
    import torch

    if not torch.cuda.is_available():
        return True, f"no device: everything runs on the CPU, {torch.get_num_threads()} threads"
    return True, ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _encoders() -> tuple[bool, str]:
    import av

    missing = [name for name in _ENCODERS if name not in av.codecs_available]
    if missing:
        return False, f"no {', '.join(missing)}: pip install --force-reinstall av"
    return True, f"{', '.join(_ENCODERS)} (FFmpeg {av.ffmpeg_version_info})"


def _gpu_encoders() -> tuple[bool, str]:
    import av

    found = [name for name in _GPU_ENCODERS if name in av.codecs_available]
    return True, f"known to this build: {', '.join(found) or 'none'}"


def _styles() -> tuple[bool, str]:
    from scenivid.styles.zoo import embedded

    styles = embedded()
    return bool(styles), ", ".join(styles) or "none: reinstall scenivid"


def _raft() -> tuple[bool, str]:
    from scenivid.flow.raft import cached, embedded

    path = cached("raft-small") or embedded("raft-small")
    return True, f"raft-small from {path.name}" if path else "no weights here: fetched when asked for"


def _folder() -> tuple[bool, str]:
    from scenivid.styles.places import models_dir

    path = models_dir()
    parent = next(folder for folder in (path, *path.parents) if folder.exists())
    good = os.access(parent, os.W_OK)
    return good, f"{path}" if good else f"{path} can't be written: set SCENIVID_HOME"


def _left_overs(folders: Sequence[Path]) -> tuple[bool, str]:
    from scenivid.machine.aside import left_over
    from scenivid.styles.places import models_dir

    absent = [str(folder) for folder in folders if not folder.is_dir()]
    if absent:
        return False, f"no such folder: {', '.join(absent)}"
    walks = (os.walk(folder) for folder in (*folders, models_dir()))
    places = islice((Path(place) for walk in walks for place, _, _ in walk), _MOST_FOLDERS)
    found = sorted({path for place in places for path in left_over(place, _DAY_S)})
    if not found:
        return True, "none older than a day"
    names = ", ".join(str(path) for path in found[:5]) + (", …" if len(found) > 5 else "")
    return True, f"{len(found)} of killed runs, which may be deleted: {names}"


def _reason(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:120]
