"""When packets are decoded and how long their frames are shown, from the times at which they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Timing:
    """Of all packets of a track in the order of decoding, in its units."""

    dts: Times
    durations: Times


def timing(groups: Sequence[Times], last_length: int, exact_end: bool) -> Timing:
    """Decoding times and durations.

    A packet is decoded when that frame is shown that comes as many frames before it as the encoder sends
    ahead of their turn; the first ones, before which there is none, as much earlier than the first frame as
    the first frame that has one is later. So do x264 and FFmpeg.

    Args:
        groups: the pts of each closed group of pictures, in the order of decoding. The frames of a group are
            shown after those of the one before.
        last_length: how long the last frame is shown.
        exact_end: the last packet's duration shall make the sum of all durations right, as the mov family
            wants, which adds them up in the order of decoding.
    """
    order = np.concatenate(groups)
    shown = np.concatenate([np.sort(group) for group in groups])
    depth = min(max(_ahead(group) for group in groups), len(order) - 1)
    dts = np.empty_like(order)
    dts[depth:] = shown[: len(order) - depth]
    dts[:depth] = shown[:depth] - (shown[depth] - shown[0])
    lengths = np.append(np.diff(shown), last_length)
    durations = lengths[np.searchsorted(shown, order)]
    if exact_end:
        total = shown[-1] + last_length - shown[0]
        durations[-1] = max(1, total + dts[0] - dts[-1])
    return Timing(dts, durations)


def _ahead(group: Times) -> int:
    """How many frames a packet of a group was sent ahead of its turn, at most."""
    return int(np.max(np.arange(len(group)) - np.argsort(np.argsort(group))))
