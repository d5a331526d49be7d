"""Writing a video: encode the picture, bring everything else along, appear only when complete."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from scenivid.errors import ConfigError, OutputError
from scenivid.machine import aside
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, Layout, StoredClip
from scenivid.video.formats import codec_for, container_for
from scenivid.video.info import VideoInfo
from scenivid.video.reading.pictures.images import SUFFIXES
from scenivid.video.writing.encoding.encoders import encoding_for
from scenivid.video.writing.file_writer import FileWriter
from scenivid.video.writing.images.image_writer import FolderWriter, StillWriter
from scenivid.video.writing.images.webp_writer import WebpWriter
from scenivid.video.writing.picture.pieces import Piece, WorkPlace
from scenivid.video.writing.sinks import FileSink, Sink, StandardOutput
from scenivid.video.writing.stream_writer import PicturesWriter, Y4mWriter, check_stream

_MOVING = ("apng", "gif", "webp")
"""Codecs of moving pictures."""


@dataclass(frozen=True)
class WriterSettings:
    """What the user may choose about a result."""

    codec: str | None = None
    """'h264', 'hevc', 'av1', 'vp9', 'prores' or 'ffv1'; None for the container's default."""
    crf: float | None = None
    """Constant quality, smaller is better; None for the codec's default."""
    overwrite: bool = False
    """Replace an output that exists."""
    device: str = "cpu"
    """'cuda' or 'cuda:N' encodes with NVENC where it can."""
    preset: str | None = None
    """How hard the encoder tries, by x264's names; None for the codec's own (H.264: veryfast, `PAINTED`)."""
    pixel_format: str | None = None
    """What is stored, by FFmpeg's name (yuv420p10, yuv422p, …); None for what players can show."""
    stream: str | None = None
    """What the standard output gets: 'y4m', 'png', 'ppm' or 'jpeg'; None for Y4M."""


class VideoWriter(Protocol):
    """Takes clips in order. Leaving `with` finishes the output; leaving with an error removes it."""

    @property
    def dtype(self) -> torch.dtype:
        """torch.uint8 or torch.uint16: what `write` takes."""
        ...

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder, or 'png'."""
        ...

    @property
    def notes(self) -> list[str]:
        """What could not be kept, in sentences; complete once `with` is left."""
        ...

    @property
    def restartable(self) -> bool:
        """Whether the output is made of pieces, so that it can be taken up again and made in parts."""
        ...

    @property
    def ticks(self) -> dict[str, Any]:
        """Where in the output's time it is, as plain values: see `WorkPlace.ticks`."""
        ...

    def skip(self, clip: Clip | StoredClip) -> None:
        """Pass over frames that somebody else writes."""
        ...

    def end_piece(self) -> Piece | None:
        """Finish what was written since the last piece, so that it survives whatever happens.

        None where there is nothing, or where the format can't be taken up again.
        """
        ...

    @property
    def stored(self) -> Layout | None:
        """How frames lie in the file, if that is 8 bits of 4:2:0: `write` then takes such clips too."""
        ...

    def write(self, clip: Clip | StoredClip) -> None:
        """Append frames of the size that `open_writer` was told, with `dtype` pixels or as `stored`.

        Raises:
            OutputError: the disk is full, or the encoder or the container refuses.
            InputError: the source's sound or subtitles, which are read along, are damaged.
        """
        ...

    def __enter__(self) -> VideoWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_writer(
    output: Path | str,
    info: VideoInfo,
    settings: WriterSettings,
    *,
    start: Fraction | None = None,
    duration: Fraction | None = None,
    work: WorkPlace | None = None,
) -> VideoWriter:
    """Prepare to write `output`: a video file by its suffix, a folder of PNGs if it has none.

    One picture (a still image as the source) may also become an image file, a moving picture .png or .webp.

    `-` is the standard output, which gets what `settings.stream` says.

    Everything that can be checked is checked here, before any work: that the output may be written,
    that suffix and codec fit, that the encoder opens. Use the result in `with`.

    Args:
        output: where the result goes; a link is followed.
        info: of the source. Its size, times, colours and other tracks carry over.
        settings: the user's choices.
        start: where the source was trimmed, in seconds after its first frame. The first frame written
            then gets the source's own start time, and sound, subtitles and chapters move with it.
        duration: how much of the source was kept, in seconds.
        work: where to keep what is finished, and what is there already; None for a place of its own that
            goes with the writer.

    Raises:
        OutputError: one line that says what is in the way.
        ConfigError: settings that make no sense together.
    """
    output = Path(output)
    if is_standard_output(output) or output.suffix.lower() == ".y4m":
        return _open_stream(output, info, settings)
    _no_stream_wanted(output, settings)
    folder = output.is_dir() or not output.suffix
    suffix = output.suffix.lower()
    webp = not folder and suffix == ".webp" and info.frames != 1
    apng = not folder and suffix == ".png" and info.frames != 1 and info.codec in _MOVING
    still = not folder and not webp and not apng and suffix in SUFFIXES
    asked = (settings.codec, settings.crf, settings.preset, settings.pixel_format)
    if (folder or still) and any(value is not None for value in asked):
        raise ConfigError(
            f"{output} is no video file: --codec, --crf, --preset and --pixel-format have no meaning for it"
        )
    if webp and asked != (None, settings.crf, None, None):
        raise ConfigError(f"{output}: --codec, --preset and --pixel-format have no meaning for WebP")
    if not folder and not still and not webp:
        container = container_for(output.with_suffix(".apng") if apng else output)
        codec = codec_for(container, settings.codec)
    target = aside.check(output, info.path, settings.overwrite)
    if folder and target.is_file():
        raise OutputError(f"{output} is a file without a suffix: give the output a suffix like .mp4")
    if folder:
        return FolderWriter(target, info, settings.overwrite, work)
    if still:
        return StillWriter(target, info, settings.overwrite)
    if webp:
        return WebpWriter(target, info, settings.crf, settings.overwrite)
    encoding = encoding_for(
        codec,
        info,
        settings.crf,
        settings.device,
        preset=settings.preset,
        pixel_format=settings.pixel_format,
    )
    return FileWriter(target, info, container, encoding, settings.overwrite, start, duration, work)


def is_standard_output(output: Path) -> bool:
    """Whether a result goes to the standard output rather than to a file or a folder."""
    return str(output) == "-"


def _no_stream_wanted(output: Path, settings: WriterSettings) -> None:
    if settings.stream is not None:
        raise ConfigError(f"--stream is for the standard output (-), and {output} is none: leave it out")


def _open_stream(output: Path, info: VideoInfo, settings: WriterSettings) -> VideoWriter:
    piped = is_standard_output(output)
    if not piped:
        _no_stream_wanted(output, settings)
    kind = check_stream(settings.stream) if piped else "y4m"
    if settings.codec is not None or settings.crf is not None or settings.preset is not None:
        raise ConfigError(f"--codec, --crf and --preset have no meaning for a stream of {kind}")
    if kind != "y4m" and settings.pixel_format is not None:
        raise ConfigError(f"--pixel-format has no meaning for a stream of {kind}")
    target = output if piped else aside.check(output, info.path, settings.overwrite)
    encoding = None
    if kind == "y4m":
        encoding = encoding_for("y4m", info, None, "cpu", pixel_format=settings.pixel_format)
    sink: Sink = StandardOutput() if piped else FileSink(target, settings.overwrite)
    try:
        return PicturesWriter(sink, info, kind) if encoding is None else Y4mWriter(sink, info, encoding)
    except BaseException:
        sink.abandon()
        raise
