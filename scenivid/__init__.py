"""Video stylization with temporal coherence.

    from pathlib import Path
    import scenivid

    report = scenivid.stylize(Path("in.mp4"), Path("out.mp4"), scenivid.StylizeSettings(strength=0.8))

The names below are the public API; they load on first use, so that importing the package is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenivid.engine import Report, StylizeSettings, stylize
    from scenivid.errors import ScenividError
    from scenivid.evaluation.flicker import evaluate_flicker
    from scenivid.evaluation.images import evaluate_images
    from scenivid.frames import Clip
    from scenivid.jobs import Job, Result, find_jobs, run_jobs
    from scenivid.nets.checkpoint import ModelCard, load_checkpoint, read_card, save_checkpoint
    from scenivid.styles.zoo import load_style
    from scenivid.temporal.steady import Memory, steady
    from scenivid.video.info import VideoInfo
    from scenivid.video.open import open_video, probe
    from scenivid.video.writing.writer import WriterSettings, open_writer

_HOME = {
    "Clip": "frames",
    "Job": "jobs",
    "Memory": "temporal",
    "ModelCard": "nets.checkpoint",
    "Report": "engine",
    "Result": "jobs",
    "ScenividError": "errors",
    "StylizeSettings": "engine",
    "VideoInfo": "video.info",
    "WriterSettings": "video.writing.writer",
    "evaluate_flicker": "evaluation.flicker",
    "evaluate_images": "evaluation.images",
    "find_jobs": "jobs",
    "load_checkpoint": "nets.checkpoint",
    "load_style": "styles.zoo",
    "open_video": "video.open",
    "open_writer": "video.writing.writer",
    "probe": "video.open",
    "read_card": "nets.checkpoint",
    "run_jobs": "jobs",
    "save_checkpoint": "nets.checkpoint",
    "steady": "temporal",
    "stylize": "engine",
}

__all__ = [
    "Clip",
    "Job",
    "Memory",
    "ModelCard",
    "Report",
    "Result",
    "ScenividError",
    "StylizeSettings",
    "VideoInfo",
    "WriterSettings",
    "evaluate_flicker",
    "evaluate_images",
    "find_jobs",
    "load_checkpoint",
    "load_style",
    "open_video",
    "open_writer",
    "probe",
    "read_card",
    "run_jobs",
    "save_checkpoint",
    "steady",
    "stylize",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'scenivid' has no attribute {name!r}")
    return getattr(import_module(f"scenivid.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
