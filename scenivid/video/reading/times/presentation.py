"""When the frames of a stream are shown: the one place that decides, whatever the container says.

Three sources of truth, tried in this order: the packets' presentation times, where every packet is one
frame and they make sense; the times of decoded frames, where those grow; and what can be made of the
rest, so that frames come in the decoder's order and evenly between the times that are known.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_low


@dataclass(frozen=True)
class Stamp:
    """Times of one decoded frame, in the unit of its stream; None where unknown."""

    pts: int | None
    """Time of the packet that held it."""
    dts: int | None
    """Decoding time of the packet that made the decoder give it out."""
    duration: int = 0
    """Length in time-base units; 0 where unknown."""


@dataclass(frozen=True)
class Gap:
    """Time in which nothing is shown though the frame rate asks for frames."""

    index: int
    """Frame before which it lies."""
    frames: int
    """How many have room in it."""


def times_of_frames(stamps: Sequence[Stamp], step: int, longest: int | None = None) -> list[int]:
    """Strictly increasing presentation times of frames in the order in which the decoder gives them.

    Args:
        stamps: of each frame.
        step: usual time between two frames, at least 1, should they not tell.
        longest: time that the video can last by its header, where known.
    """
    return _tamed(_times(stamps, step), longest)


def astray(stamps: Sequence[Stamp], times: Sequence[int], limit: int) -> int:
    """Count frames that are shown more than `limit` from where their packets say."""
    apart = [stamp.pts - time for stamp, time in zip(stamps, times, strict=True) if stamp.pts is not None]
    usual = median_low(apart) if apart else 0
    return sum(abs(offset - usual) > limit for offset in apart)


def _times(stamps: Sequence[Stamp], step: int) -> list[int]:
    step = _usual([stamp.dts for stamp in stamps]) or _usual([stamp.pts for stamp in stamps]) or step
    presented = [stamp.pts for stamp in stamps]
    if _growing(presented):
        return [time for time in presented if time is not None]
    # A container that knows decoding times only (AVI, ASF, VFW in Matroska) repeats them as presentation
    # times, out of order with B-frames. The decoder gives one frame a packet, so its time is the packet's.
    decoded = _continued([stamp.dts for stamp in stamps], step)
    if _growing(decoded):
        return [time for time in decoded if time is not None]
    known = [time for time in presented if time is not None]
    if len(known) == len(stamps) == len(set(known)) and _even(sorted(known)):
        return sorted(known)
    return _between(_best(stamps), step)


def gaps(times: Sequence[int], tick: Fraction) -> tuple[Gap, ...]:
    """Where frames are missing from a stream of constant rate; none where the rate varies.

    Args:
        times: strictly increasing.
        tick: their unit, in seconds.
    """
    steps = [after - before for before, after in itertools.pairwise(times)]
    if len(steps) < 3:
        return ()
    usual = median_low(steps)
    slack = max(1.01, usual * 0.1, float(Fraction(1, 1000) / tick) * 1.01)
    found = []
    for index, step in enumerate(steps, 1):
        if abs(step - usual) <= slack:
            continue
        frames = round(step / usual) - 1
        if frames < 1 or abs(step - (frames + 1) * usual) > slack + 0.3 * usual:
            return ()  # no multiple of the rate: it varies
        found.append(Gap(index, frames))
    return tuple(found) if len(found) <= max(2, len(steps) // 20) else ()


def _tamed(times: list[int], longest: int | None) -> list[int]:
    """`times` without one huge step that alone makes the video longer than it can be."""
    steps = [after - before for before, after in itertools.pairwise(times)]
    if longest is None or len(steps) < 2:
        return times
    usual = median_low(steps)
    excess = times[-1] - times[0] + usual - longest
    worst = max(range(len(steps)), key=steps.__getitem__)
    spare = steps[worst] - usual
    if excess <= 8 * usual or spare < excess:
        return times
    return [time - spare if index > worst else time for index, time in enumerate(times)]


def _growing(times: Sequence[int | None]) -> bool:
    last: int | None = None
    for time in times:
        if time is None or (last is not None and time <= last):
            return False
        last = time
    return bool(times)


def _usual(times: Sequence[int | None]) -> int | None:
    """Usual step between neighbours, where most are known and grow."""
    steps = [b - a for a, b in itertools.pairwise(times) if a is not None and b is not None and b > a]
    return median_low(steps) if 2 * len(steps) >= len(times) else None


def _even(times: list[int]) -> bool:
    """Whether no step between sorted times is far from the usual one, as a wild time would make it."""
    steps = [after - before for before, after in itertools.pairwise(times)]
    return not steps or max(steps) <= 8 * median_low(steps)


def _continued(times: list[int | None], step: int) -> list[int | None]:
    """`times` with what is missing at its end, where the decoder was emptied, filled in."""
    filled = list(times)
    end = len(filled)
    while end and filled[end - 1] is None:
        end -= 1
    for index in range(end, len(filled)):
        before = filled[index - 1] if index else None
        if before is not None:
            filled[index] = before + step
    return filled


def _best(stamps: Sequence[Stamp]) -> list[int | None]:
    """FFmpeg's best effort: of presentation and decoding time, the one that went backwards less often."""
    best: list[int | None] = []
    faulty_pts = faulty_dts = 0
    last_pts = last_dts = -(2**62)
    for stamp in stamps:
        if stamp.dts is not None:
            faulty_dts += stamp.dts <= last_dts
            last_dts = stamp.dts
        elif stamp.pts is not None:
            last_dts = stamp.pts
        if stamp.pts is not None:
            faulty_pts += stamp.pts <= last_pts
            last_pts = stamp.pts
        elif stamp.dts is not None:
            last_pts = stamp.dts
        by_pts = stamp.pts is not None and (faulty_pts <= faulty_dts or stamp.dts is None)
        best.append(stamp.pts if by_pts else stamp.dts)
    return best


def _between(times: Sequence[int | None], step: int) -> list[int]:
    """Keep the longest run of growing times that leaves each frame a tick; spread the others between."""
    # A frame's time less its index never shrinks where each frame has a tick of its own.
    kept = _longest_growing([None if time is None else time - index for index, time in enumerate(times)])
    if not kept:
        return [index * step for index in range(len(times))]
    spread = [0] * len(times)
    first, last = kept[0], kept[-1]
    for index in range(first + 1):
        spread[index] = _known(times[first]) - (first - index) * step
    for left, right in itertools.pairwise(kept):
        begin, end = _known(times[left]), _known(times[right])
        for index in range(left + 1, right + 1):
            spread[index] = begin + (end - begin) * (index - left) // (right - left)
    for index in range(last + 1, len(times)):
        spread[index] = _known(times[last]) + (index - last) * step
    return spread


def _longest_growing(values: Sequence[int | None]) -> list[int]:
    """Indices of a longest subsequence that never shrinks; the earliest of several."""
    # From behind, with the sign turned: there, what comes later replaces what came before.
    backwards = [None if value is None else -value for value in reversed(values)]
    return [len(values) - 1 - index for index in reversed(_latest_growing(backwards))]


def _latest_growing(values: Sequence[int | None]) -> list[int]:
    tails: list[int] = []
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for index, value in enumerate(values):
        if value is None:
            continue
        at = bisect_right(tails, value)
        before[index] = ends[at - 1] if at else None
        tails[at : at + 1] = [value]
        ends[at : at + 1] = [index]
    chain: list[int] = []
    index_or_none = ends[-1] if ends else None
    while index_or_none is not None:
        chain.append(index_or_none)
        index_or_none = before[index_or_none]
    return chain[::-1]


def _known(time: int | None) -> int:
    assert time is not None
    return time
