"""Everything of the source but the picture: copied packet by packet, never re-encoded."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.video.formats import Container
from scenivid.video.info import VideoInfo

if TYPE_CHECKING:  # exists in PyAV's stubs only
    from av.container.core import Chapter

_BRANDS = {"major_brand", "minor_version", "compatible_brands", "encoder", "rotate"}
_STATISTICS = ("BPS", "DURATION", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "SOURCE_ID", "_STATISTICS")
_UNNAMED_LAYOUTS = {"1 channels": "mono", "2 channels": "stereo"}
_EARLY = 500
"""Packets among which the first of each audio track is looked for."""
_SEEK_AHEAD = 15
"""Seconds before a trimmed start from which packets are looked at, for subtitles still on show."""


class Tracks:
    """The source's other tracks, read along as the picture is written."""

    def __init__(self, info: VideoInfo, container: Container) -> None:
        """Open the source a second time and decide what the container can hold.

        Raises:
            InputError: the source can't be opened.
        """
        self.notes: list[str] = []
        self._path = info.path
        self._start = info.start
        self._video_index = info.stream_index
        self._source: InputContainer | None = None
        self._kept: list[Stream] = []
        self._covers: list[tuple[Stream, bytes]] = []
        self._targets: dict[int, Stream] = {}
        self._last_dts: dict[int, int] = {}
        self._packets: Iterator[Packet[Any]] = iter(())
        self._waiting: Packet[Any] | None = None
        if info.container == "frames":
            return
        if not info.path.is_file():
            self.notes.append(f"{info.path} can't be read twice: sound, subtitles and metadata are left out")
            return
        self._source = _open(info.path)
        try:
            self._choose(container)
        except BaseException:
            self.close()
            raise

    @property
    def offset_units(self) -> list[int]:
        """Ticks per second of the tracks that start later than zero."""
        return [s.time_base.denominator for s in self._kept if s.time_base and (s.start_time or 0) > 0]

    @property
    def metadata(self) -> dict[str, str]:
        """Title and so on of the whole."""
        return {} if self._source is None else _clean(self._source.metadata)

    @property
    def video_metadata(self) -> dict[str, str]:
        """Language, title and so on of the picture's track."""
        if self._source is None:
            return {}
        return _clean(self._source.streams[self._video_index].metadata)

    def add_before(self, output: OutputContainer) -> None:
        """Add the tracks that come before the picture, so that the order stays."""
        self._add(output, [stream for stream in self._kept if stream.index < self._video_index])

    def add_after(self, output: OutputContainer, begin: Fraction | None, end: Fraction | None) -> None:
        """Add the tracks that come after the picture, attachments, chapters and metadata.

        Args:
            output: not started yet.
            begin: where the kept part begins, in seconds of the source, which becomes the source's start.
            end: where it ends.
        """
        self._add(output, [stream for stream in self._kept if stream.index > self._video_index])
        if self._source is None:
            return
        for stream, data in self._covers:
            kind = {"mjpeg": "jpeg"}.get(stream.codec_context.name, stream.codec_context.name)
            name = stream.metadata.get("filename", f"cover.{kind}")
            output.add_attachment(name, stream.metadata.get("mimetype", f"image/{kind}"), data)
        output.metadata.update(self.metadata)
        chapters = _chapters(self._source.chapters(), begin, end, self._start)
        if chapters:
            output.set_chapters(chapters)

    def begin(self, begin: Fraction | None) -> None:
        """Start reading packets, `begin` seconds into the source's clock or at its beginning."""
        if self._source is None or not self._targets:
            return
        if begin is not None:
            self._source.seek(int(max(begin - _SEEK_AHEAD, self._start) * av.time_base))
        streams = [stream for stream in self._kept if stream.index in self._targets]
        self._packets = (packet for packet in self._source.demux(streams) if packet.size and not _gap(packet))
        self._advance()

    def packets(
        self, until: Fraction | None, begin: Fraction | None, end: Fraction | None, shift: Fraction
    ) -> Iterator[Packet[Any]]:
        """Yield the packets due before `until` seconds of the source (None: all), ready to be muxed.

        Sound is kept from the first packet that starts in [`begin`, `end`); a subtitle on show at
        `begin` starts there. Timestamps are lowered by `shift` seconds.
        """
        while (packet := self._waiting) is not None:
            dts = packet.pts if packet.dts is None else packet.dts
            if dts is None:  # belongs to no time
                self._advance()
                continue
            if until is not None and dts * packet.time_base >= until:
                return
            packet.dts = dts
            packet.pts = dts if packet.pts is None else packet.pts
            if _cut(packet, begin, end):
                self._place(packet, shift)
                yield packet
            self._advance()

    def close(self) -> None:
        """Release the source; safe to call twice."""
        self._packets = iter(())
        self._waiting = None
        if self._source is not None:
            self._source.close()

    def _advance(self) -> None:
        try:
            self._waiting = next(self._packets, None)
        except (FFmpegError, OSError) as exc:
            raise InputError(f"{self._path}: sound or subtitles are damaged ({exc.strerror})") from exc

    def _place(self, packet: Packet[Any], shift: Fraction) -> None:
        """Shift the packet and hand it to its output track."""
        assert packet.pts is not None and packet.dts is not None
        index = packet.stream.index
        ticks = round(shift / packet.time_base)
        packet.pts -= ticks
        packet.dts -= ticks
        last = self._last_dts.get(index)
        if last is not None and packet.dts <= last and packet.stream.type == "audio":
            packet.dts = last + 1  # muxers refuse time that stands still; damaged sources have it
        packet.pts = max(packet.pts, packet.dts)
        self._last_dts[index] = packet.dts
        packet.stream = self._targets[index]

    def _add(self, output: OutputContainer, streams: list[Stream]) -> None:
        for stream in streams:
            target = _twin(output, stream)
            if stream.type != "attachment":
                self._targets[stream.index] = target

    def _choose(self, container: Container) -> None:
        assert self._source is not None
        left_out: dict[str, list[str]] = {}
        chapters = bool(self._source.chapters())
        first = _first_packets(self._path)
        for stream in self._source.streams:
            if stream.index == self._video_index:
                continue
            cover = bool(stream.disposition & Disposition.attached_pic)
            if stream.type == "video" and not cover:
                assert isinstance(stream, VideoStream)
                left_out.setdefault("other video", []).append(f"{stream.width}x{stream.height}")
            elif cover and container.muxer == "matroska":
                self._covers += [(stream, data) for data in _cover(self._path, stream.index)]
            elif _fits(stream, container.muxer, first.get(stream.index)):
                self._kept.append(stream)
            elif stream.type != "data" or not (chapters or _name(stream) == "tmcd"):
                # Chapters and timecodes of the mov family are data tracks that the muxer makes anew.
                left_out.setdefault("cover" if cover else stream.type, []).append(_name(stream))
        for kind, names in left_out.items():
            noun = kind if kind in {"attachment", "cover"} else f"{kind} track"
            tracks = f"{len(names)} {noun}{'s' if len(names) > 1 else ''} ({', '.join(names)})"
            why = (
                "one picture is styled" if kind == "other video" else f"can't be stored in {container.suffix}"
            )
            self.notes.append(f"{tracks} left out: {why}")


def _clean(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata without what the container writes itself and what is no longer true of the result."""
    kept = {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _BRANDS and not key.upper().startswith(_STATISTICS)
    }
    if "name" in kept:  # what the mov family calls the title of a track
        kept.setdefault("title", kept.pop("name"))
    return kept


def _open(path: Path) -> InputContainer:
    try:
        return av.open(str(path), metadata_errors="replace")
    except (FFmpegError, OSError) as exc:
        raise InputError(f"{path} can't be read ({exc.strerror})") from exc


def _fits(stream: Stream, muxer: str, first: Packet[Any] | None) -> bool:
    """Whether FFmpeg writes a file with this track and packet; asking it beats a table that ages."""
    sink = io.BytesIO()
    trial = av.open(sink, "w", format=muxer)
    try:
        target = _twin(trial, stream)
        trial.start_encoding()
        if first is not None:
            first.stream = target
            trial.mux(first)
        trial.close()
    except (FFmpegError, ValueError):
        return False
    finally:
        sink.close()
    return True


def _twin(output: OutputContainer, stream: Stream) -> Stream:
    """Add a track like `stream`."""
    target = output.add_stream_from_template(stream, opaque=True)
    target.metadata.update(_clean(stream.metadata))
    target.disposition = stream.disposition
    if isinstance(target, AudioStream) and target.layout.name in _UNNAMED_LAYOUTS:
        # Some sources count channels without naming them, and mp4 wants a name for raw samples.
        target.codec_context.layout = _UNNAMED_LAYOUTS[target.layout.name]
    return target


def _first_packets(path: Path) -> dict[int, Packet[Any]]:
    """The first packet of each audio track, as far as it comes early."""
    found: dict[int, Packet[Any]] = {}
    with _open(path) as source:
        wanted = source.streams.audio
        for packet in itertools.islice(source.demux(wanted) if wanted else (), _EARLY):
            if packet.size:
                found.setdefault(packet.stream.index, packet)
            if len(found) == len(wanted):
                break
    return found


def _cover(path: Path, index: int) -> list[bytes]:
    with _open(path) as source:
        return [bytes(packet) for packet in source.demux(source.streams[index]) if packet.size][:1]


def _name(stream: Stream) -> str:
    codec = stream.codec_context.name if stream.codec_context is not None else getattr(stream, "name", None)
    return " ".join(filter(None, (codec or "unknown", stream.metadata.get("language")))).removesuffix(" und")


def _gap(packet: Packet[Any]) -> bool:
    """Whether it only says that no subtitle is shown: the mov muxer makes these itself, anew."""
    return packet.size == 2 and packet.stream.type == "subtitle" and bytes(packet) == b"\0\0"


def _cut(packet: Packet[Any], begin: Fraction | None, end: Fraction | None) -> bool:
    """Whether the packet belongs to [begin, end); a subtitle that reaches into it is shortened."""
    assert packet.pts is not None
    time = packet.pts * packet.time_base
    if end is not None and time >= end:
        return False
    if begin is None or time >= begin:
        return True
    length = (packet.duration or 0) * packet.time_base
    if packet.stream.type != "subtitle" or time + length <= begin:
        return False
    first = round(begin / packet.time_base)
    packet.duration = max(1, (packet.duration or 0) - (first - packet.pts))
    packet.pts = packet.dts = first
    return True


def _chapters(
    chapters: list[Chapter], begin: Fraction | None, end: Fraction | None, start: Fraction
) -> list[Chapter]:
    """Chapters inside [begin, end), moved so that `begin` falls on `start`."""
    kept = []
    for chapter in chapters:
        unit = chapter["time_base"] or Fraction(1, av.time_base)
        first, last = chapter["start"] * unit, chapter["end"] * unit
        if (begin is not None and last <= begin) or (end is not None and first >= end):
            continue
        shift = Fraction(0) if begin is None else begin - start
        first = first if begin is None else max(first, begin)
        last = last if end is None else min(last, end)
        chapter["start"], chapter["end"] = round((first - shift) / unit), round((last - shift) / unit)
        kept.append(chapter)
    return kept
