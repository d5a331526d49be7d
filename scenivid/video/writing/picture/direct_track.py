"""The picture's track: frames in, packets with their times and lengths out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import OutputError
from scenivid.video.writing.picture.ticks import Ticks


class PictureTrack:
    """Encodes frames; knows nothing of the container they go to but how it counts the end.

    One packet is held back: its length is known once the next frame is, and the last one is special.
    """

    def __init__(self, stream: VideoStream, ticks: Ticks, unit: Fraction, exact_end: bool) -> None:
        """
        Args:
            stream: an encoder's, open.
            ticks: turns seconds into units.
            unit: seconds a tick of frames and packets.
            exact_end: the last packet's length must make the sum of all lengths right.
        """
        self.ticks = ticks
        self._stream, self._unit, self._exact_end = stream, unit, exact_end
        self._held: Packet[Any] | None = None
        self._first_dts: int | None = None

    def encode(self, frame: VideoFrame, pts: Fraction, length: Fraction | None) -> Iterator[Packet[Any]]:
        """Append a frame shown at `pts` seconds, for `length` seconds where that is known."""
        frame.pts, frame.time_base = self.ticks.add(pts, length), self._unit
        yield from self._encoded(frame)

    def finish(self) -> Iterator[Packet[Any]]:
        """What the encoder still holds.

        Raises:
            OutputError: it gave nothing at all.
        """
        yield from self._encoded(None)
        packet, self._held = self._held, None
        if packet is None or packet.pts is None:
            raise OutputError(f"{self._stream.codec_context.name} gave no data")
        if not self._exact_end:
            yield self._measured(packet)
            return
        # The mov family adds up durations in decoding order: the last one makes the sum right.
        assert packet.dts is not None and self._first_dts is not None
        packet.duration = max(1, self.ticks.total + self._first_dts - packet.dts)
        yield packet

    def _encoded(self, frame: VideoFrame | None) -> Iterator[Packet[Any]]:
        for packet in self._stream.encode(frame):
            if frame is None and self.ticks.count < 3:
                packet.dts = packet.pts  # x265 gives garbage for so few frames, and none is reordered
            if self._first_dts is None:
                self._first_dts = packet.dts
            if self._held is not None:
                yield self._measured(self._held)
            self._held = packet

    def _measured(self, packet: Packet[Any]) -> Packet[Any]:
        assert packet.pts is not None
        packet.duration = self.ticks.take_length(packet.pts)
        return packet
