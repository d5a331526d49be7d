"""Read the frame times of a stream: from its packets where they tell, else by decoding."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.video.container import open_container
from scenivid.video.reading.skeleton.walks import structure_of
from scenivid.video.reading.times.by_packets import by_packets, trusted, without_lost_head
from scenivid.video.reading.times.clock import clock_of
from scenivid.video.reading.times.counted import announced_end, counted, missing
from scenivid.video.reading.times.timeline import Timeline


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
    with open_container(path, known=True) as container:
        clock = clock_of(container, stream_index)
    structure = structure_of(path)
    with open_container(path, known=True) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream)
        timeline = None
        if trusted(container, stream, head):
            timeline = by_packets(container, stream, path, clock, structure)
        end = announced_end(container, stream)
    if timeline is None:
        timeline = counted(path, stream_index, rate_hz, clock)
        absent = missing(path, stream_index, structure, timeline)
        announced = len(timeline) + len(timeline.failures) + absent if absent else None
        timeline = replace(
            timeline, structure=structure, incomplete=not structure.complete, announced=announced
        )
    if end is not None:
        timeline = replace(timeline, announced_end=end)
    if timeline.keys and timeline.pts[0] < timeline.keys[0]:
        return without_lost_head(timeline, path, stream_index)
    return timeline
