"""The file that a result becomes: the picture's packets beside the other tracks, checked at the end.

It takes packets, not frames: whether they come from an encoder or from pieces encoded before is all one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from scenivid.errors import OutputError
from scenivid.machine import aside
from scenivid.video.container import undecoded
from scenivid.video.formats import MATROSKA, Container, mux_options
from scenivid.video.info import VideoInfo
from scenivid.video.writing.container.apng import set_last_length
from scenivid.video.writing.container.matroska import set_pixel_shape
from scenivid.video.writing.container.quicktime import add_cover
from scenivid.video.writing.tracks.tracks import Tracks
from scenivid.video.writing.tracks.window import Window

Picture = Callable[[OutputContainer], Stream]
"""Adds the picture's track to an output that isn't started, and opens its encoder if it has one."""


class Muxer:
    """One output file, written aside."""

    def __init__(
        self,
        target: Path,
        info: VideoInfo,
        container: Container,
        unit: Fraction,
        tracks: Tracks,
        window: Window,
        add_picture: Picture,
        folder: Path,
    ) -> None:
        """Write the header.

        Args:
            target: where the file goes.
            info: of the source.
            container: what is written.
            unit: seconds a tick of the picture's packets.
            tracks: what goes along; closed by `finish` and `abandon`.
            window: the part of the source that is written, as far as it is known before the first frame.
            add_picture: adds the picture's track.
            folder: where the file is until it is finished, on the same disk.

        Raises:
            OutputError: the place, the container or the encoder refuses.
        """
        self._target, self._info, self._container, self._tracks = target, info, container, tracks
        self.notes: list[str] = []
        self._unit, self._last_length = unit, 0
        self._part = aside.make_file(folder / target.name)
        last = tracks.cover is not None  # it is put into the index, which must then be free to grow
        options = mux_options(
            container, unit, tracks.offset_units, tracks.metadata, index_first=not last, plays=info.plays
        )
        try:
            with aside.writing(target):
                name = aside.address(self._part)
                self._output = av.open(name, "w", format=container.muxer, container_options=options)
                tracks.add_before(self._output)
                self.picture = add_picture(self._output)
                tracks.add_after(self._output, window)
                self._output.start_encoding()
        except BaseException:
            aside.discard(self._part)
            raise

    def begin(self, begin: Fraction | None) -> None:
        """Start reading the other tracks; see `Tracks.begin`."""
        self.mux(self._tracks.begin(begin))

    def mux(self, packets: Iterable[Packet[Any]]) -> None:
        """Write packets.

        Raises:
            OutputError: the disk is full, or the container refuses.
        """
        with aside.writing(self._target):
            for packet in packets:
                self._last_length = packet.duration or 0
                self._output.mux(packet)

    def copy(self, until: Fraction | None, window: Window) -> None:
        """Write what the other tracks hold before `until` seconds of the source (None: all)."""
        self.mux(self._tracks.packets(until, window))

    def finish(self, frames: int, overwrite: bool) -> None:
        """Close the file, make sure that it shows all its frames, and give it its name.

        Raises:
            OutputError: the system refuses, or the file shows another number of frames.
        """
        with aside.writing(self._target):
            self._output.close()
            if self._container.muxer == "apng":
                set_last_length(self._part, round(self._last_length * self._unit * 1000))
            self._mark_shape()
            cover = self._tracks.cover
            if cover is not None and not add_cover(self._part, cover):
                self.notes.append(f"1 cover left out: can't be stored in {self._container.suffix}")
        self.notes += self._tracks.notes
        self._tracks.close()
        with (
            aside.writing(self._target),
            av.open(aside.address(self._part), options=undecoded(self._part)) as finished,
        ):
            shown = frames_shown(finished)
        if shown != frames:
            raise OutputError(
                f"{self._target} was not written: it would show {shown} of {frames} frames "
                f"({self._container.suffix} can't hold their times; try .mkv)"
            )
        aside.publish(self._part, self._target, overwrite)

    def abandon(self) -> None:
        """Remove the unfinished file."""
        # Unlinked first: closing then has no file to rewrite for +faststart, and nothing to leave.
        aside.discard(self._part)
        with contextlib.suppress(OSError, FFmpegError):
            self._output.close()
        self._tracks.close()

    def _mark_shape(self) -> None:
        aspect = self._info.sample_aspect
        if aspect == 1 or self._container.exact_end:  # the mov muxer takes it from the encoder
            return
        if self._container.muxer not in MATROSKA or not set_pixel_shape(self._part, aspect):
            self.notes.append(
                f"pixels of shape {aspect.numerator}:{aspect.denominator} "
                f"can't be marked in {self._container.suffix}"
            )


def frames_shown(container: av.container.InputContainer) -> int:
    """Frames of the picture that a player shows: packets with data and times that no edit list cuts off."""
    stream = container.streams.video[0]
    index = stream.index_entries
    if "mov" in container.format.name and len(index):  # complete, and read without the data
        return sum(not entry.is_discard for entry in index)
    return sum(
        packet.size > 0 and packet.pts is not None and not packet.is_discard
        for packet in container.demux(stream)
    )
