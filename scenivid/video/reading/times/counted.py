"""Frame times by decoding everything, and what a file holds besides the frames that came."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.video.container import open_container
from scenivid.video.reading.decoding import decode
from scenivid.video.reading.skeleton.structure import Structure
from scenivid.video.reading.times.clock import Clock
from scenivid.video.reading.times.presentation import Stamp, astray, times_of_frames
from scenivid.video.reading.times.timeline import Timeline

_PARSED, _STREAMS = {"mpeg1video", "mpeg2video"}, {"mpegts", "mpeg", "mpegvideo"}
"""Codecs that FFmpeg splits into frames itself in containers without frames: there a packet is one frame."""
_SEQUENCE = b"\0\0\1\xb3"
"""With which a frame begins that can be decoded alone."""
_EMPTY_BELOW = 20
"""Bytes of a packet of MPEG-4 that may hold no picture: it stands in for one that came with its neighbour."""
_MOST_BEHIND = 50
"""Frames that may be missing at the end of a transport stream; more is another clock's time."""
_SLACK = Fraction(1)
"""Seconds by which a time may be wrong without being called wild."""
_NEVER_SILENT = {"theora", "wmv1", "wmv2", "msmpeg4v2", "msmpeg4v3", "h263", "flv1", "cinepak", "qtrle"}
"""Codecs of other containers and times in which a packet without a frame is damage as well."""


def announced_end(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """How long the video is by what its header says; None where FFmpeg only estimates it."""
    if not container.format.name.startswith(("matroska,", "flv", "avi", "asf")) or not container.duration:
        return None
    if container.format.name.startswith("avi") and stream.duration and stream.time_base:
        return stream.duration * stream.time_base  # of the picture, not of the sound
    length = Fraction(container.duration, av.time_base)
    if container.format.name.startswith("matroska,"):  # counts from zero, not from the first frame
        length -= max(Fraction(0), (stream.start_time or 0) * (stream.time_base or Fraction(0)))
    return length


def longest_by_header(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Seconds that the video can last by its header, where one says so."""
    if container.format.name.startswith("mov,"):  # of all that is stored: edit lists may show less
        return (stream.duration or 0) * (stream.time_base or Fraction(0)) or None
    return announced_end(container, stream)


def missing(path: Path, stream_index: int, structure: Structure, timeline: Timeline) -> int:
    """How many more frames there are, or should be by the file's index, than came.

    Args:
        path: a file.
        stream_index: of its picture.
        structure: of the file.
        timeline: counted.
    """
    came = len(timeline) + len(timeline.failures)
    with open_container(path) as container:
        stream = container.streams[stream_index]
        kind, codec = container.format.name, stream.codec_context.codec.canonical_name
        listed = structure.frames or 0
        if kind.startswith(("avi", "mov,")):
            listed = max(listed, len(stream.index_entries))
        silent = codec in _NEVER_SILENT
        whole = codec in _PARSED and kind in _STREAMS and not timeline.clock.breaks
        timed = kind.startswith("mov,")  # packed AVIs count pictures that share a packet
        packed = codec == "mpeg4"
        if not (listed or silent or timed or whole or packed):
            return 0
        packets = filled = 0
        times: list[tuple[int, int]] = []
        cut: list[tuple[int, int]] = []
        begun = None
        try:
            for packet in container.demux(stream):
                packets += packet.size > 0
                if packed and (filled or packet.is_keyframe):
                    filled += packet.size >= _EMPTY_BELOW
                if packet.size and packet.pts is not None and packet.is_discard:
                    cut.append((len(times), packet.pts))
                elif packet.size and packet.pts is not None:
                    times.append((packet.pts, packet.duration or 0))
                    if begun is None and (packet.is_keyframe or bytes(packet).startswith(_SEQUENCE)):
                        begun = packet.pts
        except (av.FFmpegError, OSError):
            return 0
        absent = max(0, listed - packets, _absent(times, stream.duration) if timed else 0)
        if whole and times and kind == "mpegts":  # FFmpeg has looked at the last time stored there
            behind = _absent(times, stream.duration)
            absent = max(absent, behind if behind <= _MOST_BEHIND else 0)
        if whole and begun is not None:
            absent = max(absent, _unshown(times, begun, timeline))
        if timed:
            absent += strayed(times, cut, ceil(1 / (stream.time_base or 1)))
        if packed:  # a packet holds one picture or two, if it isn't empty
            absent = max(absent, filled - came)
        return absent + (max(0, packets - came) if silent else 0)


def strayed(times: Sequence[tuple[int, int]], cut: Sequence[tuple[int, int]], limit: int) -> int:
    """Packets that an edit list cuts off only because their times are wild.

    Args:
        times: presentation time and duration of each packet that is shown, in decoding order.
        cut: of each that isn't, how many shown ones come before it in that order, and its time.
        limit: by how much a time may lie behind the end.
    """
    last = max((time for time, _ in times), default=0)
    return sum(before < len(times) and time > last + limit for before, time in cut)


def _unshown(times: list[tuple[int, int]], begun: int, timeline: Timeline) -> int:
    """Packets, from the first that can be decoded alone, whose frame didn't come and no error said so."""
    shown = set(timeline.pts)
    stored = {time for time, _ in times}
    if not shown <= stored or len(stored) < len(times):  # the frames' times aren't their packets'
        return 0
    return max(0, sum(time >= begun for time in stored - shown) - len(timeline.failures))


def _absent(times: list[tuple[int, int]], length: int | None) -> int:
    """Frames between the last one and the end of a track whose own header says how long it is.

    Args:
        times: presentation time and duration of each packet, in the track's ticks.
        length: of the track, in its ticks.
    """
    step = max((duration for _, duration in times), default=0)
    if not length or not step:
        return 0
    end = max(time + (duration or step) for time, duration in times) - min(times)[0]
    return max(0, round((length - end) / step))


def counted(path: Path, stream_index: int, rate_hz: Fraction, clock: Clock) -> Timeline:
    """Decode the whole stream to learn which frames come and when."""
    about = path.stat()
    return _counted(path, stream_index, rate_hz, clock, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=16)
def _counted(
    path: Path, stream_index: int, rate_hz: Fraction, clock: Clock, size: int, changed: int
) -> Timeline:
    stamps: list[Stamp] = []
    failures: list[int] = []
    with open_container(path) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream)
        stream.thread_type = "AUTO"
        time_base = stream.time_base or Fraction(1, 1_000_000)
        longest = longest_by_header(container, stream)
        stream.codec_context.options = {"skip_loop_filter": "all"}  # pictures don't matter here
        frames = decode(container, stream, path, clock, lambda: failures.append(len(stamps)))
        for frame in frames:
            stamps.append(Stamp(frame.pts, frame.dts, frame.duration))
    if not stamps:
        raise InputError(f"{path}: damaged, not one frame can be decoded")
    step = max(1, round(1 / (rate_hz * time_base)))
    times = times_of_frames(stamps, step, None if longest is None else ceil((longest + _SLACK) / time_base))
    wild = astray(stamps, times, max(8 * step, ceil(_SLACK / time_base)))
    following = [after - before for before, after in itertools.pairwise(times)]
    last = stamps[-1].duration or (following[-1] if following else step)
    return Timeline(
        time_base=time_base,
        pts=tuple(times),
        durations=(*following, last),
        keys=(),
        open_groups=False,
        hidden=0,
        incomplete=False,
        announced=None,
        counted=True,
        clock=clock,
        failures=tuple(failures),
        wild=wild,
    )
