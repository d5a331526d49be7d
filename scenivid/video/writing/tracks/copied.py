"""A track that goes along as it is, packet by packet."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from scenivid.video.writing.tracks.window import Window

_BRANDS = {"major_brand", "minor_version", "compatible_brands", "encoder", "rotate"}
_STATISTICS = ("BPS", "DURATION", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "SOURCE_ID", "_STATISTICS")
_UNNAMED_LAYOUTS = {"1 channels": "mono", "2 channels": "stereo", "6 channels": "5.1", "8 channels": "7.1"}


def clean(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata without what the container writes itself and what is no longer true of the result."""
    kept = {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _BRANDS and not key.upper().startswith(_STATISTICS)
    }
    if "name" in kept:  # what the mov family calls the title of a track
        kept.setdefault("title", kept.pop("name"))
    return kept


def named_layout(stream: AudioStream) -> str:
    """The layout of the channels; some sources count them without naming them."""
    name = stream.codec_context.layout.name
    return _UNNAMED_LAYOUTS.get(name, name)


def twin(output: OutputContainer, stream: Stream) -> Stream:
    """Add a track like `stream`; raises FFmpegError or ValueError where the container has no place for it."""
    target = output.add_stream_from_template(stream, opaque=True)
    target.metadata.update(clean(stream.metadata))
    target.disposition = stream.disposition
    if isinstance(target, AudioStream) and target.layout.name in _UNNAMED_LAYOUTS:
        target.codec_context.layout = _UNNAMED_LAYOUTS[target.layout.name]  # mp4 wants one for raw samples
    return target


class CopiedTrack:
    """A track of the source and its twin in the output.

    Each packet is first muxed for trial into a file that goes nowhere: asking FFmpeg beats a table that
    ages, and what it refuses is dropped there instead of ruining the output.
    """

    def __init__(self, stream: Stream, muxer: str) -> None:
        """Raises FFmpegError or ValueError where the container has no place for the track."""
        self.stream = stream
        self._label = label(stream)
        self.dropped = self.retimed = self.repeated = 0
        self._target: Stream | None = None
        self._last: tuple[int, bytes] | None = None
        self._sink = _Nowhere()
        self._trial = av.open(self._sink, "w", format=muxer)
        try:
            self._trial_target = twin(self._trial, stream)
            self._trial.start_encoding()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def fits(stream: Stream, muxer: str, first: Packet[Any] | None) -> bool:
        """Whether FFmpeg writes a whole file with this track and, if it is given, this packet."""
        try:
            track = CopiedTrack(stream, muxer)
        except (FFmpegError, ValueError):
            return False
        try:
            if first is not None:
                first.stream = track._trial_target
                track._trial.mux(first)
            track._trial.close()
        except (FFmpegError, ValueError):
            return False
        finally:
            track.close()
        return True

    def add(self, output: OutputContainer) -> None:
        """Add the twin."""
        self._target = twin(output, self.stream)

    def packets(self, packet: Packet[Any], window: Window) -> Iterator[Packet[Any]]:
        """The packet, ready to be muxed, unless it lies outside or is bad."""
        if window.holds(packet) and self._place(packet, window.shift):
            packet.stream = self._trial_target
            try:
                self._trial.mux(packet)
            except (FFmpegError, ValueError):
                self.dropped += 1
                return
            assert self._target is not None
            packet.stream = self._target
            yield packet

    def finish(self, window: Window) -> Iterator[Packet[Any]]:
        """Nothing is held back."""
        return iter(())

    def notes(self) -> list[str]:
        """What was wrong with the packets."""
        kinds = (
            (self.dropped, "damaged and left out"),
            (self.repeated, "repeated and left out"),
            (self.retimed, "with times that stand still or run back, moved on"),
        )
        return [
            f"{self._label}: {count} packet{'s' if count > 1 else ''} {what}"
            for count, what in kinds
            if count
        ]

    def close(self) -> None:
        """Release the trial."""
        self._sink.close()  # first: nobody needs its index
        self._trial.close()

    def _place(self, packet: Packet[Any], shift: Fraction) -> bool:
        """Shift the packet's times; False for one that was there already."""
        assert packet.pts is not None and packet.dts is not None
        ticks = round(shift / packet.time_base)
        packet.pts -= ticks
        packet.dts -= ticks
        if self.stream.type == "audio":  # muxers refuse time that stands still; damaged sources have it
            data = bytes(packet)
            if self._last is not None and packet.dts <= self._last[0]:
                if data == self._last[1]:
                    self.repeated += 1
                    return False
                self.retimed += 1
                assert self._target is not None and self._target.time_base is not None
                packet.dts = self._last[0] + max(1, math.ceil(self._target.time_base / packet.time_base))
            self._last = (packet.dts, data)
        packet.pts = max(packet.pts, packet.dts)
        return True


def label(stream: Stream) -> str:
    """What a track is called in a note: `audio track (aac eng)`."""
    return f"{stream.type} track ({name_of(stream)})"


def name_of(stream: Stream) -> str:
    """Codec and language of a track, or whatever name it has."""
    codec = stream.codec_context.name if stream.codec_context else getattr(stream, "name", None)
    codec = codec or stream.metadata.get("handler_name", "").strip() or "unknown"
    words = filter(None, (codec, stream.metadata.get("language")))
    return " ".join(words).removesuffix(" und")


class _Nowhere(io.RawIOBase):
    """A file that takes everything and keeps nothing."""

    def __init__(self) -> None:
        self._at = self._end = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at
