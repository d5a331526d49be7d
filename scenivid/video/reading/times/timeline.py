"""The frame times of a stream: read from its packets without decoding where they tell, else by decoding."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.video.container import open_container
from scenivid.video.reading.decoding import decode
from scenivid.video.reading.times.clock import Clock, clock_of, continuous
from scenivid.video.reading.times.presentation import Stamp, times_of_frames
from scenivid.video.reading.times.structure import Structure, structure_of

ONE_TO_ONE = {"h264", "hevc", "vvc", "vp9", "av1", "prores", "ffv1", "mjpeg", "dnxhd", "gif", "png", "apng"}
"""Codecs in which each packet is one frame. In others (hidden VP8 frames, packed MPEG-4 B-frames,
dropped frames) a packet without a frame is no damage, and its time may be another frame's."""
_NEVER_SILENT = {"theora", "wmv1", "wmv2", "msmpeg4v2", "msmpeg4v3", "h263", "flv1", "cinepak", "qtrle"}
"""Codecs of other containers and times in which a packet without a frame is damage as well."""
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
_FIELDS = {"h264", "hevc", "vvc"}
"""Codecs whose two fields may come in two packets."""


@dataclass(frozen=True)
class Timeline:
    """Every frame that a stream shows, in presentation order."""

    time_base: Fraction
    """Unit of all times here, in seconds."""
    pts: tuple[int, ...]
    """Strictly increasing, at least one."""
    durations: tuple[int, ...]
    """Lengths in time-base units, one for each of `pts`; 0 where the container doesn't say."""
    keys: tuple[int, ...]
    """Presentation times of all key frames, shown or not, increasing; empty for a counted timeline."""
    open_groups: bool
    """Some frames are decoded after a key frame but shown before it: seeking there would lose them."""
    hidden: int
    """Packets that only serve to decode others: cut by an edit list, or before the first key frame."""
    incomplete: bool
    """The data end before the container says they do."""
    announced: int | None
    """Frames that the container announces, where it announces more than there are."""
    counted: bool = False
    """Whether the times were found by decoding: the frame is known by its number, not by its own time."""
    clock: Clock = Clock()
    """Clock of the file."""
    structure: Structure = Structure()
    """What is known of the file's structure."""
    failures: tuple[int, ...] = ()
    """In a counted timeline: the frame next to come when a packet couldn't be decoded."""
    marked: tuple[int, ...] = ()
    """Times of packets that the demuxer takes for damaged."""
    announced_end: Fraction | None = None
    """Seconds from the first frame to the end of the last, where the header says."""

    def __len__(self) -> int:
        return len(self.pts)

    def seconds(self, index: int) -> Fraction:
        """When frame `index` begins, after the first; `len(self)` gives the end of the last."""
        if index < len(self.pts):
            return (self.pts[index] - self.pts[0]) * self.time_base
        return (self.pts[-1] - self.pts[0] + self.durations[-1]) * self.time_base

    def window(self, start: Fraction | None, duration: Fraction | None) -> range:
        """Indices of the frames that begin in [start, start + duration), seconds after the first."""
        first, last = 0, len(self.pts)
        begin = start or Fraction(0)
        if start is not None:
            first = bisect_left(self.pts, self.pts[0] + ceil(begin / self.time_base))
        if duration is not None:
            last = bisect_left(self.pts, self.pts[0] + ceil((begin + duration) / self.time_base))
        return range(first, max(first, last))

    def keys_before(self, pts: int) -> tuple[int, ...]:
        """Key frames at or before `pts`, increasing."""
        return self.keys[: bisect_right(self.keys, pts)]


def milliseconds(seconds: Fraction) -> str:
    """Seconds with three decimals, rounded down, so that `--duration` leaves the frame there out."""
    return f"{floor(seconds * 1000) / 1000:.3f}"


def read_timeline(path: Path, stream_index: int, head: VideoFrame, rate_hz: Fraction) -> Timeline:
    """Find out when each frame of a stream is shown.

    Args:
        path: a file.
        stream_index: of its picture.
        head: the first frame.
        rate_hz: usual frames a second, for frames about which nothing is known.

    Raises:
        InputError: the data can't be read.
    """
    with open_container(path) as container:
        clock = clock_of(container, stream_index)
    structure = structure_of(path)
    with open_container(path) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream)
        timeline = None
        if _trusted(container, stream, head):
            timeline = _by_packets(container, stream, path, clock, structure)
        end = _announced_end(container, stream)
    if timeline is None:
        timeline = counted(path, stream_index, rate_hz, clock)
        came = len(timeline) + len(timeline.failures)
        missing = _missing(path, stream_index, structure, came)
        announced = came + missing if missing else None
        timeline = replace(
            timeline, structure=structure, incomplete=not structure.complete, announced=announced
        )
    if end is not None:
        timeline = replace(timeline, announced_end=end)
    if timeline.keys and timeline.pts[0] < timeline.keys[0]:
        return _without_lost_head(timeline, path, stream_index)
    return timeline


def _announced_end(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """How long the video is by what its header says; None where FFmpeg only estimates it."""
    if not container.format.name.startswith(("matroska,", "flv", "avi")) or not container.duration:
        return None
    length = Fraction(container.duration, av.time_base)
    if container.format.name.startswith("matroska,"):  # counts from zero, not from the first frame
        length -= max(Fraction(0), (stream.start_time or 0) * (stream.time_base or Fraction(0)))
    return length


def _missing(path: Path, stream_index: int, structure: Structure, came: int) -> int:
    """How many more packets there are, or should be by the file's index, than frames `came` of them."""
    with open_container(path) as container:
        stream = container.streams[stream_index]
        listed = structure.frames or 0
        if container.format.name.startswith(("avi", "mov,")):
            listed = max(listed, len(stream.index_entries))
        silent = stream.codec_context.codec.canonical_name in _NEVER_SILENT
        timed = container.format.name.startswith("mov,")  # packed AVIs count pictures that share a packet
        if not listed and not silent and not timed:
            return 0
        packets = 0
        times: list[tuple[int, int]] = []
        try:
            for packet in container.demux(stream):
                packets += packet.size > 0
                if packet.size and packet.pts is not None and not packet.is_discard:
                    times.append((packet.pts, packet.duration or 0))
        except (av.FFmpegError, OSError):
            return 0
        absent = max(0, listed - packets, _absent(times, stream.duration) if timed else 0)
        return absent + (max(0, packets - came) if silent else 0)


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
        stream.codec_context.options = {"skip_loop_filter": "all"}  # pictures don't matter here
        frames = decode(container, stream, path, clock, lambda: failures.append(len(stamps)))
        for frame in frames:
            stamps.append(Stamp(frame.pts, frame.dts, frame.duration))
    if not stamps:
        raise InputError(f"{path}: damaged, not one frame can be decoded")
    step = max(1, round(1 / (rate_hz * time_base)))
    times = times_of_frames(stamps, step)
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
    )


def _trusted(container: InputContainer, stream: VideoStream, head: VideoFrame) -> bool:
    """Whether each packet is one frame and carries its time."""
    codec = stream.codec_context.codec.canonical_name
    if codec not in ONE_TO_ONE or not container.format.name.startswith(_TRUSTED):
        return False
    return not (head.interlaced_frame and codec in _FIELDS)


def _by_packets(
    container: InputContainer, stream: VideoStream, path: Path, clock: Clock, structure: Structure
) -> Timeline | None:
    """From the packets' times; None where they make no sense."""
    shown: list[tuple[int, int]] = []
    keys: list[int] = []
    marked: list[int] = []
    packets = hidden = 0
    cut = open_groups = ordered = True
    cut = open_groups = False
    failed = False
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
                hidden += 1
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
    if not shown or (ordered and stream.codec_context.has_b_frames and len(shown) > 2):
        return None  # in decoding order though pictures are reordered: these are no presentation times
    shown.sort()
    if any(one[0] == other[0] for one, other in itertools.pairwise(shown)):
        return None
    return Timeline(
        time_base=stream.time_base or Fraction(1, 1_000_000),
        pts=tuple(time for time, _ in shown),
        durations=tuple(length for _, length in shown),
        keys=tuple(sorted(keys)),
        open_groups=open_groups,
        hidden=hidden,
        incomplete=failed or cut or entries > packets or not structure.complete,
        announced=entries - hidden if entries > packets else None,
        clock=clock,
        structure=structure,
        marked=tuple(marked),
    )


_NEAR_JOIN = 188 * 64
"""Bytes around a change of clock in which packets marked as damaged are no news."""


def _without_lost_head(timeline: Timeline, path: Path, stream_index: int) -> Timeline:
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
