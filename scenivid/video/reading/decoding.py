"""Packets to frames, past damage."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.video.container import decoder_of, is_pipe
from scenivid.video.reading.times.clock import Clock, continuous

_log = logging.getLogger(__name__)


def decode(
    container: InputContainer,
    stream: VideoStream,
    path: Path,
    clock: Clock | None = None,
    failed: Callable[[], None] | None = None,
) -> Iterator[VideoFrame]:
    """Decode from where the container stands.

    Args:
        container: opened on `path`.
        stream: one of its streams.
        path: for messages.
        clock: of the file.
        failed: called for each packet, once frames have come, that can't be decoded. Without it such packets
            are passed over: the caller notices the missing frame.

    Raises:
        InputError: the data end in an error, and there is nothing to call.
    """
    packets = continuous(container.demux(stream), clock or Clock())
    decoder = decoder_of(stream)
    began = False
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as exc:
            if failed is not None and began:
                failed()
                yield from decoder.decode(None)  # what it still holds
                return
            hint = "; an MP4 with its index at the end can't be piped: save it first" if is_pipe(path) else ""
            raise InputError(f"{path}: can't be read to its end ({exc.strerror}){hint}") from exc
        if packet is None:
            return
        if not packet.size and packet.pts is not None:
            continue  # an empty sample; the decoder would take it for the end
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError as exc:
            _log.debug("%s: the packet at pts %s can't be decoded: %s", path, packet.pts, exc.strerror)
            if began and failed is not None:  # before the first frame: a recording that begins mid-way
                failed()
            continue
        began = began or bool(frames)
        yield from frames
