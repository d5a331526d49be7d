"""Everything of the source but the picture: copied packet by packet, never re-encoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.video.container import open_container
from scenivid.video.formats import Container
from scenivid.video.info import VideoInfo
from scenivid.video.writing.twin import clean, cover, first_packets, fits, twin

if TYPE_CHECKING:  # exists in PyAV's stubs only
    from av.container.core import Chapter

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
        self._source = open_container(info.path)
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
        return {} if self._source is None else clean(self._source.metadata)

    @property
    def video_metadata(self) -> dict[str, str]:
        """Language, title and so on of the picture's track."""
        if self._source is None:
            return {}
        return clean(self._source.streams[self._video_index].metadata)

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
            with contextlib.suppress(FFmpegError, OSError):  # else all before it is read and dropped
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
            target = twin(output, stream)
            if stream.type != "attachment":
                self._targets[stream.index] = target

    def _choose(self, container: Container) -> None:
        assert self._source is not None
        left_out: dict[str, list[str]] = {}
        chapters = bool(self._source.chapters())
        first = first_packets(self._path)
        for stream in self._source.streams:
            if stream.index == self._video_index:
                continue
            is_cover = bool(stream.disposition & Disposition.attached_pic)
            if stream.type == "video" and not is_cover:
                assert isinstance(stream, VideoStream)
                left_out.setdefault("other video", []).append(f"{stream.width}x{stream.height}")
            elif is_cover and container.muxer == "matroska":
                self._covers += [(stream, data) for data in cover(self._path, stream.index)]
            elif fits(stream, container.muxer, first.get(stream.index)):
                self._kept.append(stream)
            elif stream.type != "data" or not (chapters or _name(stream) == "tmcd"):
                # Chapters and timecodes of the mov family are data tracks that the muxer makes anew.
                left_out.setdefault("cover" if is_cover else stream.type, []).append(_name(stream))
        for kind, names in left_out.items():
            noun = kind if kind in {"attachment", "cover"} else f"{kind} track"
            tracks = f"{len(names)} {noun}{'s' if len(names) > 1 else ''} ({', '.join(names)})"
            why = (
                "one picture is styled" if kind == "other video" else f"can't be stored in {container.suffix}"
            )
            self.notes.append(f"{tracks} left out: {why}")


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
