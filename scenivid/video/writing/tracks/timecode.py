"""Timecode of cameras and editors: the clock on the first frame, which counts frames."""

from __future__ import annotations

import re
from fractions import Fraction

_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")


def later(timecode: str, seconds: Fraction, rate_hz: Fraction) -> str:
    """What the clock shows `seconds` after `timecode`, at `rate_hz` frames a second.

    A `;` before the frames marks drop-frame counting (SMPTE ST 12-1): the first two numbers of each
    minute are passed over but for every tenth, four at 59.94 Hz. What is no timecode stays as it is.
    """
    match = _FORM.fullmatch(timecode.strip())
    count = round(rate_hz)
    if match is None or not seconds or count <= 0:
        return timecode
    hours, minutes, secs, mark, frames = match.groups()
    dropped = 2 * (count // 30) if mark in ";." and count % 30 == 0 else 0
    total = ((int(hours) * 60 + int(minutes)) * 60 + int(secs)) * count + int(frames)
    passed = int(hours) * 60 + int(minutes)
    total -= dropped * (passed - passed // 10)
    total += round(seconds * rate_hz)
    if dropped:
        ten = 600 * count - 9 * dropped
        tens, rest = divmod(total, ten)
        total += 9 * dropped * tens
        if rest >= 60 * count:
            total += dropped * (1 + (rest - 60 * count) // (60 * count - dropped))
    total %= 24 * 3600 * count
    rest, frame = divmod(total, count)
    return f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{mark}{frame:02d}"
