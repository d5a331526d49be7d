"""What a file, before any picture is looked at, says about damage."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from scenivid.errors import InputError
from scenivid.video.info import VideoInfo
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.reading.times.presentation import gaps
from scenivid.video.reading.times.timeline import Timeline, milliseconds

_HOLDING = ("mov,", "gif", "apng", "webp", "jpegxl", "matroska,", "nut", "flv")
"""Containers in which a frame may be held for longer: a gap in their times proves nothing alone."""

_NEARLY = Fraction(1, 5)
"""Of a frame, by which its end may be rounded."""


def say_what_is_missing(
    info: VideoInfo,
    timeline: Timeline,
    window: range,
    start: Fraction | None,
    duration: Fraction | None,
    how: ReadSettings,
    findings: Findings,
) -> None:
    """Tell `findings` what is broken or missing in the part that will be read.

    Raises:
        InputError: the data end early or a packet can't be decoded, and `how` doesn't pass over it; or any
            damage where `how` is strict.
    """
    end = timeline.seconds(len(timeline))
    to_the_end = duration is None or (start or 0) + duration > end
    texts = []
    if timeline.incomplete and to_the_end:
        texts.append(_cut_short(info, timeline, end, how))
    failed = [index for index in timeline.failures if index >= window.start]
    if not to_the_end:
        failed = [index for index in failed if index < window.stop]
    if failed:
        texts.append(_failing(info, timeline, failed, how))
    if not window:
        return
    first, last = timeline.pts[window.start], timeline.pts[window.stop - 1]
    marked = sum(first <= time <= last for time in timeline.marked)
    kind = info.container.partition(",")[0]
    if marked:
        texts.append(f"data are missing in {marked} packet{'s' if marked > 1 else ''}")
    if timeline.wild:
        texts.append(f"{timeline.wild} frame times make no sense and were made anew")
    if not timeline.structure.whole:
        texts.append(f"the structure of the {kind} file is broken")
    elif not timeline.structure.closed and not timeline.incomplete and to_the_end:
        texts.append(f"the {kind} file ends in the middle of something")
    lost = max(len(failed), (timeline.structure.listed or 0) - len(timeline) if to_the_end else 0)
    if timeline.announced and to_the_end:
        lost = max(lost, timeline.announced - len(timeline))
        if not timeline.incomplete and timeline.announced > len(timeline) + len(failed):
            texts.append(f"{len(timeline)} of the {timeline.announced} frames announced are there")
    if texts or not info.container.startswith(_HOLDING):
        lost = max(
            lost, _missing(timeline, window, texts) + (_tail(info, timeline) if texts and to_the_end else 0)
        )
    for text in texts:
        findings.damage(text, lost)
        lost = 0


def _missing(timeline: Timeline, window: range, texts: list[str]) -> int:
    """Frames that have room in gaps of the times, which are added to `texts`."""
    found = gaps(timeline.pts[window.start : window.stop], timeline.time_base)
    lost = sum(gap.frames for gap in found)
    if lost:
        at = milliseconds(timeline.seconds(window.start + found[0].index - 1))
        places = "a gap" if len(found) == 1 else f"{len(found)} gaps"
        frames = "1 frame" if lost == 1 else f"{lost} frames"
        texts.append(f"{places} in the frame times, the first after {at} s: {frames} missing")
    return lost


def _tail(info: VideoInfo, timeline: Timeline) -> int:
    """Frames between the last one and the end that the header announces."""
    if timeline.announced_end is None:
        return 0
    missing = (timeline.announced_end - timeline.seconds(len(timeline))) * info.rate_hz
    return max(0, floor(missing + _NEARLY))  # the sound may end a little later than the picture


def _cut_short(info: VideoInfo, timeline: Timeline, end: Fraction, how: ReadSettings) -> str:
    announced = f" of the {timeline.announced} frames announced" if timeline.announced else " frames"
    text = f"the data end after {len(timeline)}{announced}"
    if how.on_error == "stop":
        raise InputError(
            f"{info.path}: incomplete: {text};"
            f" add --duration {milliseconds(end)} (or --on-error skip) to use what there is"
        )
    return text


def _failing(info: VideoInfo, timeline: Timeline, failed: list[int], how: ReadSettings) -> str:
    at = milliseconds(timeline.seconds(min(failed[0], len(timeline))))
    packets = "a packet" if len(failed) == 1 else f"{len(failed)} packets"
    text = f"{packets} can't be decoded, the first at {at} s"
    if how.on_error == "stop":
        raise InputError(
            f"{info.path}: damaged: {text}; add --duration {at},"
            " or pass over what is damaged with --on-error skip"
        )
    return text
