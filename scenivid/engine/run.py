"""The streaming loop: decode → translate → flow → steady → encode, a few frames at a time.

Memory doesn't grow with the length of the video, and neither batch size nor tiling shows in the
result. An error anywhere closes every thread and leaves no half-written file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from scenivid import aside
from scenivid.cores import set_up
from scenivid.devices import resolve_device
from scenivid.engine.chain import Chain
from scenivid.engine.made import Made, network_of
from scenivid.engine.segments.work import Work, open_work, piece_length
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.stages import Stopwatch
from scenivid.errors import ConfigError, InputError
from scenivid.frames import Clip, StoredClip
from scenivid.styles.onnx_style import OnnxOptions
from scenivid.styles.stylizer import Stylizer
from scenivid.video.info import VideoInfo
from scenivid.video.open import open_video
from scenivid.video.tonemap import tonemap
from scenivid.video.writing.writer import VideoWriter, WriterSettings, is_standard_output, open_writer


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


__all__ = ["Progress", "Report", "StylizeSettings", "expected_frames", "stylize"]

AnyClip = Clip | StoredClip
Progress = Callable[[int, int | None], None]
"""Called with frames done and frames expected (None where the container doesn't say)."""


def stylize(
    source: Path,
    output: Path,
    settings: StylizeSettings,
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
    began = time.perf_counter()
    watch = Stopwatch()
    notes: list[str] = []
    piped = is_standard_output(output)
    if settings.resume and (piped or str(source) == "-"):
        raise ConfigError("--resume is for files: a pipe gives and takes everything once")
    target = output if piped else aside.check(output, source, settings.overwrite)
    with (
        open_video(source, settings.decoder, settings.start, settings.duration, settings.reading) as reader,
        _work(target, _made(source, settings, stylizer), settings) as work,
    ):
        settings = work.pinned(settings)
        device = resolve_device(settings.device)
        info = reader.info
        wanted = WriterSettings(
            settings.codec,
            settings.crf,
            settings.overwrite,
            str(device),
            preset=settings.preset,
            pixel_format=settings.pixel_format,
            stream=settings.stream,
        )
        frames, expected = work.frames, expected_frames(info, settings.start, settings.duration)
        length = piece_length(info.rate_hz)
        with open_writer(
            output, info, wanted, start=settings.start, duration=settings.duration, work=work.place
        ) as writer:
            stored = writer.stored if reader.stores and device.type == "cpu" else None
            size = (info.height, info.width)
            staged = still(settings) if info.frames == 1 else settings
            chain = Chain.build(staged, device, stylizer, size, writer.dtype, notes, stored=stored)
            work.settle({**chain.settled, "decoder": reader.decoder, "encoder": writer.encoder})
            chain.restore(work.states())
            clips = reader.clips(chain.batch) if stored is None else reader.stored_clips(chain.batch)
            left = _after(frames, _apart(_timed(clips, info, watch), length), writer)
            parts = chain.parts(left, frames, lambda number: (number + 1) % length == 0)
            with set_up(chain.threads), chain.running(parts, watch) as results:
                for part in results:
                    with watch.stage("encode"):
                        writer.write(part.source)
                        piece = writer.end_piece() if part.keep_states else None
                    frames += len(part.source)
                    if piece is not None:
                        work.add(piece, part.states)
                    if progress is not None:
                        progress(frames, expected)
        encoder, lost = writer.encoder, reader.frames_lost
        notes = [*reader.notes, *writer.notes, *notes]
    seconds = time.perf_counter() - began
    resolved = {
        **{name: _plain(value) for name, value in vars(settings).items()},
        **chain.settled,
        "decoder": reader.decoder,
        "encoder": encoder,
    }
    return Report(
        frames,
        seconds,
        frames / max(seconds, 1e-9),
        output,
        watch.seconds(),
        resolved,
        tuple(notes),
        frames_expected=frames + lost,
        frames_lost=lost,
    )


def expected_frames(info: VideoInfo, start: Fraction | None, duration: Fraction | None) -> int | None:
    """Frames that a run will see, as far as the container tells."""
    if info.frames is None:
        return None
    if start is None and duration is None:
        return info.frames
    left = info.frames - round((start or 0) * info.rate_hz)
    return max(0, left if duration is None else min(left, round(duration * info.rate_hz)))


def still(settings: StylizeSettings) -> StylizeSettings:
    """What a single picture needs: no motion, and no engine that takes longer to set up than it saves."""
    return replace(
        settings, consistency=0.0, engine="torch" if settings.engine == "auto" else settings.engine
    )


def _timed(clips: Iterator[AnyClip], info: VideoInfo, watch: Stopwatch) -> Generator[AnyClip, None, None]:
    """The clips, HDR tone-mapped; the time spent waiting for them is `decode`."""
    try:
        while True:
            with watch.stage("decode"):
                clip = next(clips, None)
                if isinstance(clip, Clip) and info.color.hdr:
                    clip = tonemap(clip, info)
            if clip is None:
                return
            yield clip
    finally:
        if isinstance(clips, Generator):
            clips.close()


def _work(target: Path, made: Made, settings: StylizeSettings) -> AbstractContextManager[Work]:
    """Where the run keeps what is finished; on the standard output nothing can be."""
    if is_standard_output(target):
        return nullcontext(Work(target, made))
    return open_work(target, made, settings.resume)


def _made(source: Path, settings: StylizeSettings, stylizer: Stylizer | None) -> Made:
    """What the result is made from: a run that is taken up again must be told the same."""
    try:
        return Made.of(
            source, settings, network_of(settings.style) if stylizer is None else type(stylizer).__name__
        )
    except OSError as exc:
        raise InputError(f"{source} can't be read: {exc.strerror or exc}") from exc


def _apart(clips: Generator[AnyClip, None, None], length: int) -> Generator[AnyClip, None, None]:
    """The same frames; no clip goes beyond a multiple of `length` frames."""
    number = 0
    with closing(clips):
        for clip in clips:
            begin = 0
            while begin < len(clip):
                end = min(len(clip), begin + length - (number + begin) % length)
                yield clip.part(begin, end)
                begin = end
            number += len(clip)


def _after(
    done: int, clips: Generator[AnyClip, None, None], writer: VideoWriter
) -> Generator[AnyClip, None, None]:
    """The frames after the first `done`, which the writer has already."""
    with closing(clips):
        for clip in clips:
            if done > 0:
                writer.skip(clip)
                done -= len(clip)
            else:
                yield clip


def _plain(value: object) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    return vars(value) if isinstance(value, OnnxOptions) else value
