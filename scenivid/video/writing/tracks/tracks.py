"""Everything of the source but the picture, read along as the picture is written."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from scenivid.video.container import open_container
from scenivid.video.formats import Container
from scenivid.video.info import VideoInfo
from scenivid.video.reading.times.clock import Clock, clock_of, continuous, may_restart
from scenivid.video.writing.tracks.choice import Choice, Track, choose
from scenivid.video.writing.tracks.copied import clean, twin
from scenivid.video.writing.tracks.timecode import later
from scenivid.video.writing.tracks.window import Window

if TYPE_CHECKING:  # exists in PyAV's stubs only
    from av.container.core import Chapter

_SEEK_AHEAD = 15
"""Seconds before a trimmed start from which packets are looked at, for subtitles still on show."""
_PATIENCE = 20
"""Damaged places that are passed over before the source counts as at its end."""


class Tracks:
    """The source's other tracks."""

    def __init__(self, info: VideoInfo, container: Container) -> None:
        """Open the source a second time and decide how each track goes along, by trial.

        Raises:
            InputError: the source can't be opened.
        """
        self._info, self._container = info, container
        self._source: InputContainer | None = None
        self._choice = Choice()
        self._cover_targets: list[tuple[Stream, bytes]] = []
        self._clock = Clock()
        self._packets: Iterator[Packet[Any]] = iter(())
        self._waiting: Packet[Any] | None = None
        if info.container == "frames":
            return
        if not info.path.is_file():
            self._choice.notes.append(
                f"{info.path} can't be read twice: sound, subtitles and metadata are left out"
            )
            return
        self._source = open_container(info.path, known=True)
        try:
            if may_restart(self._source):
                with open_container(info.path) as again:
                    self._clock = clock_of(again, info.stream_index)
            self._choice = choose(self._source, info, container)
        except BaseException:
            self.close()
            raise

    @property
    def _tracks(self) -> dict[int, Track]:
        return self._choice.tracks

    @property
    def notes(self) -> list[str]:
        """What could not be kept, in sentences."""
        return self._choice.notes + [note for track in self._tracks.values() for note in track.notes()]

    @property
    def earliest(self) -> Fraction:
        """When the first of the tracks begins, in seconds of the source; not after 0."""
        starts = [
            track.stream.start_time * track.stream.time_base
            for track in self._tracks.values()
            if track.stream.start_time is not None and track.stream.time_base
        ]
        return min(starts, default=Fraction(0))

    @property
    def offset_units(self) -> list[int]:
        """Ticks per second of the tracks that start later than zero."""
        streams = [track.stream for track in self._tracks.values()]
        return [s.time_base.denominator for s in streams if s.time_base and (s.start_time or 0) > 0]

    @property
    def cover(self) -> bytes | None:
        """The picture that is to be put into the index of the finished file."""
        atom = self._container.covers == "atom"
        return next((data for _, data in self._choice.covers), None) if atom else None

    @property
    def metadata(self) -> dict[str, str]:
        """Title and so on of the whole."""
        return {} if self._source is None else clean(self._source.metadata)

    def video_metadata(self, after: Fraction) -> dict[str, str]:
        """Language, title and so on of the picture's track, its timecode `after` seconds later."""
        if self._source is None:
            return {}
        kept = clean(self._source.streams[self._info.stream_index].metadata)
        timecode = kept.get("timecode", self._choice.timecode)
        if timecode is not None:
            kept["timecode"] = later(timecode, after, self._info.rate_hz)
        return kept

    def add_before(self, output: OutputContainer) -> None:
        """Add the tracks that come before the picture, so that the order stays."""
        self._add(output, range(self._info.stream_index))

    def add_after(self, output: OutputContainer, window: Window) -> None:
        """Add the tracks that come after the picture, covers, chapters and metadata."""
        self._add(output, range(self._info.stream_index, 1 + max(self._tracks, default=0)))
        if self._source is None:
            return
        for stream, data in self._choice.covers:
            kind = {"mjpeg": "jpeg"}.get(stream.codec_context.name, stream.codec_context.name)
            if self._container.covers == "attachment":
                name = stream.metadata.get("filename", f"cover.{kind}")
                output.add_attachment(name, stream.metadata.get("mimetype", f"image/{kind}"), data)
            elif self._container.covers == "track":
                self._cover_targets.append((twin(output, stream), data))
        output.metadata.update(self.metadata)
        chapters = _chapters(self._source.chapters(), window)
        if chapters:
            output.set_chapters(chapters)

    def begin(self, begin: Fraction | None) -> Iterator[Packet[Any]]:
        """Start reading packets, `begin` seconds into the source's clock or at its beginning.

        Yields:
            What is to be muxed before everything else.
        """
        for target, data in self._cover_targets:
            packet: Packet[Any] = Packet(data)
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = target, 0, 0, True
            yield packet
        if self._source is None or not self._tracks:
            return
        if begin is not None and not self._clock.breaks:  # else the same time may come twice
            with contextlib.suppress(FFmpegError, OSError):  # else all before it is read and dropped
                begin = max(begin - _SEEK_AHEAD, self._info.start)
                self._source.seek(int(begin * av.time_base))
        streams = [track.stream for track in self._tracks.values()]
        self._packets = self._demuxed(streams)
        self._waiting = next(self._packets, None)

    def packets(self, until: Fraction | None, window: Window) -> Iterator[Packet[Any]]:
        """Yield what is due before `until` seconds of the source (None: all), ready to be muxed."""
        while (packet := self._waiting) is not None:
            assert packet.dts is not None
            if until is not None and packet.dts * packet.time_base >= until:
                return
            yield from self._tracks[packet.stream.index].packets(packet, window)
            self._waiting = next(self._packets, None)
        if until is None:
            for track in self._tracks.values():
                yield from track.finish(window)

    def close(self) -> None:
        """Release the source; safe to call twice."""
        self._packets = iter(())
        self._waiting = None
        for track in self._tracks.values():
            track.close()
        if self._source is not None:
            self._source.close()

    def _demuxed(self, streams: list[Stream]) -> Iterator[Packet[Any]]:
        """Packets with times, in the order of the source; damaged places are passed over."""
        assert self._source is not None
        reading = continuous(self._source.demux(streams), self._clock)
        for failures in itertools.count():
            try:
                for packet in reading:
                    if packet.size and self._timed(packet):
                        yield packet
                break
            except (FFmpegError, OSError) as exc:
                if failures == _PATIENCE:
                    reason = exc.strerror or exc
                    self._choice.notes.append(f"{self._info.path}: sound and subtitles end early ({reason})")
                    return
                reading = continuous(self._source.demux(streams), self._clock)
        if failures:
            self._choice.notes.append(f"{self._info.path}: {failures} damaged places in sound or subtitles")

    def _timed(self, packet: Packet[Any]) -> bool:
        """Give the packet both its times; False for one without any."""
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.dts is None:
            return False
        if packet.pts is None:
            packet.pts = packet.dts
        return not _gap(packet)

    def _add(self, output: OutputContainer, indices: range) -> None:
        for index in indices:
            if index in self._tracks:
                self._tracks[index].add(output)


def _gap(packet: Packet[Any]) -> bool:
    """Whether it only says that no subtitle is shown: the mov muxer makes these itself, anew."""
    return packet.size == 2 and packet.stream.type == "subtitle" and bytes(packet) == b"\0\0"


def _chapters(chapters: list[Chapter], window: Window) -> list[Chapter]:
    """Chapters inside the window, moved with it."""
    kept = []
    for chapter in chapters:
        unit = chapter["time_base"] or Fraction(1, av.time_base)
        first, last = chapter["start"] * unit, chapter["end"] * unit
        if (window.begin is not None and last <= window.begin) or (
            window.end is not None and first >= window.end
        ):
            continue
        first = first if window.begin is None else max(first, window.begin)
        last = last if window.end is None else min(last, window.end)
        chapter["start"] = round((first - window.shift) / unit)
        chapter["end"] = round((last - window.shift) / unit)
        kept.append(chapter)
    return kept
