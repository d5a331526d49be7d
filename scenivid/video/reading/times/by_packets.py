"""Frame times from packets, without decoding, where each packet is one frame and its time can be believed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.video.container import open_container
from scenivid.video.reading.decoding import decode
from scenivid.video.reading.skeleton.structure import Structure
from scenivid.video.reading.times.clock import Clock, continuous
from scenivid.video.reading.times.counted import counted, longest_by_header, strayed
from scenivid.video.reading.times.timeline import Timeline

ONE_TO_ONE = {"h264", "hevc", "vvc", "vp9", "av1", "prores", "ffv1", "mjpeg", "dnxhd", "gif", "png", "apng"}
"""Codecs in which each packet is one frame. In others (hidden VP8 frames, packed MPEG-4 B-frames,
dropped frames) a packet without a frame is no damage, and its time may be another frame's."""
_TRUSTED = (
    "mov,",
    "matroska,",
    "mpegts",
    "gif",
    "apng",
    "mxf",
    "ivf",
    "yuv4mpegpipe",
    "nut",
    "jpegxl",
    "webp",
)
"""Containers that store presentation times and keep them right."""
_NEAR_JOIN = 188 * 64
"""Bytes around a change of clock in which packets marked as damaged are no news."""
_MOST_REORDERED = 40
"""Places by which a frame's turn to be shown may differ from its turn to be decoded; codecs allow 32."""
_FIELDS = {"h264", "hevc", "vvc"}
"""Codecs whose two fields may come in two packets."""


def trusted(container: InputContainer, stream: VideoStream, head: VideoFrame) -> bool:
    """Whether each packet is one frame and carries its time."""
    codec = stream.codec_context.codec.canonical_name
    if codec not in ONE_TO_ONE or not container.format.name.startswith(_TRUSTED):
        return False
    return not (head.interlaced_frame and codec in _FIELDS)


def by_packets(
    container: InputContainer, stream: VideoStream, path: Path, clock: Clock, structure: Structure
) -> Timeline | None:
    """From the packets' times; None where they make no sense."""
    shown: list[tuple[int, int]] = []
    keys: list[int] = []
    marked: list[int] = []
    packets = 0
    hidden: list[tuple[int, int]] = []
    ordered = True
    cut = open_groups = failed = False
    try:
        for packet in continuous(container.demux(stream), clock):
            if not packet.size:
                continue
            if packet.pts is None:
                return None
            packets += 1
            cut = packet.is_corrupt  # of the last one: its data stop short
            if cut and not clock.near_break(packet.pos, _NEAR_JOIN):
                marked.append(packet.pts)
            ordered = ordered and (not shown or packet.pts > shown[-1][0])
            if packet.is_keyframe:
                keys.append(packet.pts)
            open_groups = open_groups or (bool(keys) and packet.pts < keys[-1])
            if packet.is_discard:
                hidden.append((len(shown), packet.pts))
            else:
                shown.append((packet.pts, packet.duration or 0))
    except (av.FFmpegError, OSError) as exc:
        if not shown:
            raise InputError(f"{path}: can't be read beyond packet {packets} ({exc.strerror})") from exc
        failed = True
    if cut and shown:
        shown.pop()
        marked = marked[:-1]
    # The index of an MP4 is known before the data are read.
    entries = max(len(stream.index_entries), structure.frames or 0)
    tick = stream.time_base or Fraction(1, 1_000_000)
    longest = longest_by_header(container, stream)
    limits = ceil(1 / tick), None if longest is None else ceil(longest / tick)
    if shown and _wild([time for time, _ in shown], keys, *limits):
        return None
    if not shown or (ordered and stream.codec_context.has_b_frames and len(shown) > 2):
        return None  # in decoding order though pictures are reordered: these are no presentation times
    lost = strayed(shown, hidden, limits[0])
    shown.sort()
    if any(one[0] == other[0] for one, other in itertools.pairwise(shown)):
        return None
    return Timeline(
        time_base=tick,
        pts=tuple(time for time, _ in shown),
        durations=tuple(length for _, length in shown),
        keys=tuple(sorted(keys)),
        open_groups=open_groups,
        hidden=len(hidden) - lost,
        incomplete=failed or cut or entries > packets or not structure.complete,
        announced=entries - len(hidden) + lost if entries > packets or lost else None,
        clock=clock,
        structure=structure,
        marked=tuple(marked),
    )


def _wild(times: list[int], keys: list[int], limit: int, longest: int | None) -> bool:
    """Whether a time can't be true: far from its neighbours in decoding order, or far beyond the end.

    Args:
        times: of each packet, in decoding order.
        keys: those of key frames, in that order.
        limit: by how much a time may differ where nothing else speaks against it.
        longest: how long the video can last.
    """
    if longest is not None and max(times) - min(times) > longest + limit:
        return True
    order = sorted(range(len(times)), key=times.__getitem__)
    if any(abs(place - index) > _MOST_REORDERED for place, index in enumerate(order)):
        return True
    begun = iter([*keys, None])
    key, due, last = None, next(begun), times[0]
    for time in times:
        if time == due:
            key, due = time, next(begun)
            if last > time + limit:  # a frame before a key frame is shown before it
                return True
        elif key is not None and time < key - limit:
            return True
        last = max(last, time)
    return False


def without_lost_head(timeline: Timeline, path: Path, stream_index: int) -> Timeline:
    """Leave out what comes before the first key frame and can't be decoded without what was cut off.

    Leading pictures may or may not refer to frames before their key frame: only decoding tells.
    """
    key = timeline.keys[0]
    with open_container(path) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream)
        frames: Iterator[VideoFrame] = decode(container, stream, path, timeline.clock)
        early = {frame.pts for frame in itertools.takewhile(lambda frame: (frame.pts or 0) < key, frames)}
    kept = [index for index, time in enumerate(timeline.pts) if time >= key or time in early]
    if not kept:
        return counted(path, stream_index, Fraction(25), timeline.clock)
    return replace(
        timeline,
        pts=tuple(timeline.pts[index] for index in kept),
        durations=tuple(timeline.durations[index] for index in kept),
        hidden=timeline.hidden + len(timeline) - len(kept),
    )
