"""The first frame of a video, and nothing of the others if that is possible."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.video.container import decoder_of

_ALONE = {"h264": (4, 0, 31, 5), "hevc": (21, 1, 63, 20)}
"""Pictures before which nothing is shown that follows them: H.264's IDR, and HEVC's IDR without leading ones.
Where the length of lengths is in the header of MP4 and Matroska (ISO 14496-15); where a unit's type is in its
first byte, and which (ITU-T H.264 and H.265, table 7-1)."""


def first_frame(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    """Decode up to the first frame; the container stands somewhere after it, and the decoder can't go on.

    Raises:
        InputError: there is none, or it is damaged.
    """
    stream.thread_type = "SLICE"  # frame threads would first fill themselves
    decoder = decoder_of(stream)
    failed: av.FFmpegError | OSError | None = None
    packets = 0
    try:
        for packet in container.demux(stream):
            packets += packet.size > 0
            try:
                for frame in decoder.decode(packet) or _held_back(decoder, packet):
                    return frame
            except av.FFmpegError as exc:
                failed = exc
    except (av.FFmpegError, OSError) as exc:
        failed = failed or exc
    if failed is not None:
        raise InputError(f"{path}: damaged, not one frame can be decoded ({failed.strerror})") from failed
    if packets:
        raise InputError(
            f"{path}: none of its {packets} packets gives a frame; it may be damaged or incomplete"
        )
    raise InputError(f"{path}: its video stream holds no frames")


def _held_back(decoder: VideoCodecContext, packet: Packet[VideoStream]) -> list[VideoFrame]:
    """The frame of `packet` if it is the first for certain: else the decoder keeps it until it has seen more.

    Those take a tenth of a second at 3840×2160.
    """
    if not _is_alone(decoder, packet):
        return []
    if frames := decoder.decode(None):
        return frames
    decoder.flush_buffers()
    return decoder.decode(packet)


def _is_alone(decoder: VideoCodecContext, packet: Packet[VideoStream]) -> bool:
    header = decoder.extradata or b""
    place, shift, mask, wanted = _ALONE.get(decoder.name, (len(header), 0, 0, 0))
    if len(header) <= place or header[0] != 1:
        return False
    size, data, at = (header[place] & 3) + 1, memoryview(packet), 0
    while at + size < len(data):
        if data[at + size] >> shift & mask == wanted:
            return True
        at += size + int.from_bytes(data[at : at + size], "big")
    return False
