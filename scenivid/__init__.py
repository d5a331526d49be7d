"""Video stylization with temporal coherence.

    from pathlib import Path
    import scenivid

    report = scenivid.stylize(Path("in.mp4"), Path("out.mp4"), scenivid.StylizeSettings(strength=0.8))

    for pixels, pts in scenivid.frames("in.mp4"):  # numpy, [H, W, 3]
        ...

The names below are the public API; they load on first use, so that importing the package is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenivid.batch.jobs import Job, Result, find_jobs, run_jobs
    from scenivid.engine import Report, StylizeSettings, stylize
    from scenivid.engine.stream import FrameStylizer, StyledFrame, frames
    from scenivid.errors import (
        Cancelled,
        CheckpointError,
        ConfigError,
        DataError,
        DependencyError,
        DivergedError,
        InputError,
        OutputError,
        ScenividError,
    )
    from scenivid.evaluation.flicker import FlickerSettings, evaluate_flicker
    from scenivid.evaluation.images import ImagesReport, ImagesSettings, evaluate_images
    from scenivid.evaluation.lockstep import Window
    from scenivid.evaluation.results import FlickerReport, Row
    from scenivid.flow.consistency import Motion, estimate_motion
    from scenivid.flow.estimators import FlowEstimator, open_estimator
    from scenivid.nets.checkpoint import ModelCard, load_checkpoint, read_card, save_checkpoint
    from scenivid.pixels import Clip, Layout, StoredClip
    from scenivid.styles.onnx.options import OnnxOptions
    from scenivid.styles.stylizer import Stylizer
    from scenivid.styles.zoo import load_style
    from scenivid.temporal.steady import Memory, steady
    from scenivid.video.info import AudioInfo, ColorInfo, VideoInfo
    from scenivid.video.open import open_video, probe
    from scenivid.video.reading.reader import VideoReader
    from scenivid.video.reading.settings import ReadSettings
    from scenivid.video.writing.picture.pieces import Piece, WorkPlace
    from scenivid.video.writing.writer import VideoWriter, WriterSettings, open_writer

_NAMES = {
    "engine": "Report StylizeSettings stylize",
    "engine.stream": "FrameStylizer StyledFrame frames",
    "errors": "Cancelled CheckpointError ConfigError DataError DependencyError DivergedError InputError"
    " OutputError ScenividError",
    "evaluation.flicker": "FlickerSettings evaluate_flicker",
    "evaluation.images": "ImagesReport ImagesSettings evaluate_images",
    "evaluation.lockstep": "Window",
    "evaluation.results": "FlickerReport Row",
    "flow.consistency": "Motion estimate_motion",
    "flow.estimators": "FlowEstimator open_estimator",
    "batch.jobs": "Job Result find_jobs run_jobs",
    "nets.checkpoint": "ModelCard load_checkpoint read_card save_checkpoint",
    "pixels": "Clip Layout StoredClip",
    "styles.onnx.options": "OnnxOptions",
    "styles.stylizer": "Stylizer",
    "styles.zoo": "load_style",
    "temporal.steady": "Memory steady",
    "video.info": "AudioInfo ColorInfo VideoInfo",
    "video.open": "open_video probe",
    "video.reading.reader": "VideoReader",
    "video.reading.settings": "ReadSettings",
    "video.writing.picture.pieces": "Piece WorkPlace",
    "video.writing.writer": "VideoWriter WriterSettings open_writer",
}
"""Public names by the module they live in."""
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "AudioInfo",
    "Cancelled",
    "CheckpointError",
    "Clip",
    "ColorInfo",
    "ConfigError",
    "DataError",
    "DependencyError",
    "DivergedError",
    "FlickerReport",
    "FlickerSettings",
    "FlowEstimator",
    "FrameStylizer",
    "ImagesReport",
    "ImagesSettings",
    "InputError",
    "Job",
    "Layout",
    "Memory",
    "ModelCard",
    "Motion",
    "OnnxOptions",
    "OutputError",
    "Piece",
    "ReadSettings",
    "Report",
    "Result",
    "Row",
    "ScenividError",
    "StoredClip",
    "StyledFrame",
    "StylizeSettings",
    "Stylizer",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "Window",
    "WorkPlace",
    "WriterSettings",
    "estimate_motion",
    "evaluate_flicker",
    "evaluate_images",
    "find_jobs",
    "frames",
    "load_checkpoint",
    "load_style",
    "open_estimator",
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
