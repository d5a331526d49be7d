"""The picture's track in pieces: a fresh encoder for each, and all packets with final times at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.video.writing.picture.pieces import Piece, PieceWriter, read_index, read_packets
from scenivid.video.writing.picture.ticks import Ticks
from scenivid.video.writing.picture.timing import timing

AddPicture = Callable[[OutputContainer], VideoStream]
"""Adds the picture's track, with its encoder open, to an output."""


class PieceTrack:
    """Encodes frames into files; knows nothing of the container they go to but how it counts the end.

    Whether a run was stopped and taken up again between two pieces makes no difference to any byte.
    """

    def __init__(
        self,
        folder: Path,
        done: Sequence[Piece],
        add_picture: AddPicture,
        muxer: str,
        unit: Fraction,
        ticks: Ticks,
    ) -> None:
        """
        Args:
            folder: for the pieces.
            done: those that are there already, in order.
            add_picture: opens an encoder.
            muxer: FFmpeg's name of the container that the packets are for.
            unit: seconds a tick of frames and packets.
            ticks: turns seconds into units.
        """
        self.ticks, self.pieces = ticks, list(done)
        self._folder, self._add_picture, self._muxer, self._unit = folder, add_picture, muxer, unit
        self._encoder: _Encoder | None = None

    def skip(self, pts: Fraction, length: Fraction | None) -> None:
        """Pass over a frame that somebody else encodes."""
        self.ticks.take_length(self.ticks.add(pts, length))

    def encode(self, frame: VideoFrame, pts: Fraction, length: Fraction | None) -> None:
        """Append a frame shown at `pts` seconds, for `length` seconds where that is known."""
        if self._encoder is None:
            writer = PieceWriter(self._folder, len(self.pieces))
            self._encoder = _Encoder(self._add_picture, self._muxer, writer)
        frame.pts, frame.time_base = self.ticks.add(pts, length), self._unit
        self.ticks.take_length(frame.pts)
        self._encoder.encode(frame)

    def end_piece(self) -> Piece | None:
        """Finish the piece that was begun; None if there is none."""
        if self._encoder is None:
            return None
        self.pieces.append(self._encoder.finish())
        self._encoder = None
        return self.pieces[-1]

    def packets(self, stream: VideoStream, exact_end: bool) -> Iterator[Packet[Any]]:
        """All packets of all pieces, ready for `stream`.

        Args:
            exact_end: see `timing`.

        Raises:
            OutputError: a piece is damaged.
        """
        groups = [np.array(read_index(self._folder, piece).pts, np.int64) for piece in self.pieces]
        times = timing(groups, self.ticks.last_length, exact_end)
        number = 0
        for piece in self.pieces:
            for packet in read_packets(self._folder, piece):
                packet.stream, packet.time_base = stream, self._unit
                packet.dts, packet.duration = int(times.dts[number]), int(times.durations[number])
                number += 1
                yield packet

    def abandon(self) -> None:
        """Let go of a piece that was begun."""
        if self._encoder is not None:
            self._encoder.abandon()
            self._encoder = None


class _Encoder:
    """One encoder, opened as the result's own track is, and the file that its packets go to."""

    def __init__(self, add_picture: AddPicture, muxer: str, writer: PieceWriter) -> None:
        self._writer = writer
        # An output that is never begun: the encoder is set up as for the container, and nothing is written.
        self._output = av.open(os.devnull, "w", format=muxer)
        self._stream = add_picture(self._output)

    def encode(self, frame: VideoFrame) -> None:
        self._writer.add(self._stream.encode(frame))

    def finish(self) -> Piece:
        self._writer.add(self._stream.encode(None))
        self._output.close()  # else its memory waits for the garbage collector
        return self._writer.close()

    def abandon(self) -> None:
        self._output.close()
        self._writer.abandon()
