"""A whole run: from a video or a folder of frames to another.

Memory doesn't grow with the length of the video, and neither batch size nor tiling shows in the
result. An error anywhere closes every thread and leaves no half-written file.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenivid.engine.loading.loaded import Loaded
from scenivid.engine.made import Made, network_of
from scenivid.engine.passage import Passage, Progress, expected_frames, still
from scenivid.engine.segments.work import Work, open_work
from scenivid.engine.settings import StylizeSettings
from scenivid.errors import ConfigError, InputError
from scenivid.machine import aside
from scenivid.styles.onnx.options import OnnxOptions
from scenivid.video.writing.writer import is_standard_output

__all__ = [
    "Progress",
    "Report",
    "StylizeSettings",
    "expected_frames",
    "made_of",
    "resolved",
    "still",
    "stylize",
    "stylize_with",
]

if TYPE_CHECKING:
    from scenivid.styles.stylizer import Stylizer


@dataclass(frozen=True)
class Report:
    """What was done."""

    frames: int
    seconds: float
    """Wall time."""
    fps: float
    output: Path
    stages: dict[str, float]
    """Seconds by stage; stages overlap. `decode` is the time the loop waited for frames."""
    settings: dict[str, Any]
    """As resolved: device, precision, flow, batch, decoder, encoder, …"""
    notes: tuple[str, ...]
    """What could not be kept, in sentences."""
    frames_expected: int = 0
    """Frames that the source should have given: those that came and those lost."""
    frames_lost: int = 0
    """Frames that damage took, as far as the source tells."""

    def as_json(self) -> dict[str, Any]:
        """Plain values; the keys of the CLI contract."""
        return asdict(self) | {"output": str(self.output), "notes": list(self.notes)}


def stylize(
    source: Path | str,
    output: Path | str,
    settings: StylizeSettings | None = None,
    progress: Progress | None = None,
    stylizer: Stylizer | None = None,
) -> Report:
    """Stylize a video file or a folder of frames into a video file or a folder of frames.

    Args:
        source: a file, a folder, a named pipe, or `-` for the standard input.
        output: a file, a folder, or `-` for the standard output.
        stylizer: used in place of `settings.style`.

    Raises:
        InputError: the source can't be read.
        OutputError: the output can't be written; what stood there before is untouched.
        CheckpointError: the style or the flow weights can't be loaded.
        ConfigError: settings that don't go together.
    """
    settings = settings or StylizeSettings()
    return stylize_with(Loaded(), Path(source), Path(output), settings, progress, stylizer)


def stylize_with(
    loaded: Loaded,
    source: Path,
    output: Path,
    settings: StylizeSettings,
    progress: Progress | None = None,
    stylizer: Stylizer | None = None,
) -> Report:
    """`stylize` with styles from runs before, which are kept for runs to come."""
    began = time.perf_counter()
    piped = is_standard_output(output)
    if settings.resume and (piped or str(source) == "-"):
        raise ConfigError("--resume is for files: a pipe gives and takes everything once")
    target = output if piped else aside.check(output, source, settings.overwrite)
    with (
        _work(target, made_of(source, settings, stylizer), settings) as work,
        Passage(source, output, settings, _goes_on(work), stylizer, loaded) as passage,
    ):
        frames = passage.make(progress=progress)
    seconds = time.perf_counter() - began
    return Report(
        frames,
        seconds,
        frames / max(seconds, 1e-9),
        output,
        passage.watch.seconds(),
        resolved(passage),
        tuple(passage.notes),
        frames_expected=frames + passage.lost,
        frames_lost=passage.lost,
    )


def _goes_on(work: Work) -> Work:
    """The work, begun anew if a crew has left it where nobody noted what is remembered there."""
    if work.at is not None and not work.states():
        work.pieces, work.at = [], None
    return work


def resolved(passage: Passage) -> dict[str, Any]:
    """The settings of a run, as they were resolved."""
    return {**{name: _plain(value) for name, value in vars(passage.settings).items()}, **passage.settled}


def _work(target: Path, made: Made, settings: StylizeSettings) -> AbstractContextManager[Work]:
    """Where the run keeps what is finished; on the standard output nothing can be."""
    if is_standard_output(target):
        return nullcontext(Work(target, made))
    return open_work(target, made, settings.resume)


def made_of(source: Path, settings: StylizeSettings, stylizer: Stylizer | None = None) -> Made:
    """What a result is made from: a run that is taken up again must be told the same.

    Raises:
        InputError: the source can't be looked at.
    """
    try:
        return Made.of(
            source, settings, network_of(settings.style) if stylizer is None else type(stylizer).__name__
        )
    except OSError as exc:
        raise InputError(f"{source} can't be read: {exc.strerror or exc}") from exc


def _plain(value: object) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    return vars(value) if isinstance(value, OnnxOptions) else value
