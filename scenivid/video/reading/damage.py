"""What the packets of a file, before any picture is looked at, say about damage."""

from __future__ import annotations

from fractions import Fraction

from scenivid.errors import InputError
from scenivid.video.info import VideoInfo
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.reading.times.presentation import gaps
from scenivid.video.reading.times.timeline import Timeline, milliseconds

_HOLDING = ("mov,", "gif", "apng", "webp", "jpegxl", "matroska,", "nut")
"""Containers in which a frame may be held for longer: a gap in their times proves nothing alone."""


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
    if timeline.incomplete and (duration is None or (start or 0) + duration > end):
        _cut_short(info, timeline, end, how, findings)
    failed = [index for index in timeline.failures if window.start <= index < max(window.stop, len(timeline))]
    if window.stop < len(timeline):
        failed = [index for index in failed if index < window.stop]
    if failed:
        at = milliseconds(timeline.seconds(min(failed[0], len(timeline))))
        packets = "a packet" if len(failed) == 1 else f"{len(failed)} packets"
        text = f"{packets} can't be decoded, the first at {at} s"
        if how.on_error == "stop":
            raise InputError(
                f"{info.path}: damaged: {text}; add --duration {at},"
                " or pass over what is damaged with --on-error skip"
            )
        findings.damage(text, len(failed))
    if not window:
        return
    first, last = timeline.pts[window.start], timeline.pts[window.stop - 1]
    marked = sum(first <= time <= last for time in timeline.marked)
    broken = marked or not timeline.structure.whole
    if marked:
        findings.damage(f"data are missing in {marked} packet{'s' if marked > 1 else ''}")
    if not timeline.structure.whole:
        findings.damage(f"the structure of the {_kind(info)} file is broken")
    if failed or (info.container.startswith(_HOLDING) and not broken):
        return
    missing = gaps(timeline.pts[window.start : window.stop], timeline.time_base)
    lost = sum(gap.frames for gap in missing)
    if lost:
        at = milliseconds(timeline.seconds(window.start + missing[0].index - 1))
        frames = "1 frame" if lost == 1 else f"{lost} frames"
        places = "a gap" if len(missing) == 1 else f"{len(missing)} gaps"
        findings.damage(
            f"{places} in the frame times, the first at {at} s: {frames} missing",
            lost,
        )


def _cut_short(
    info: VideoInfo, timeline: Timeline, end: Fraction, how: ReadSettings, findings: Findings
) -> None:
    announced = f" of the {timeline.announced} frames announced" if timeline.announced else " frames"
    text = f"the data end after {len(timeline)}{announced}"
    if how.on_error == "stop":
        raise InputError(
            f"{info.path}: incomplete: {text};"
            f" add --duration {milliseconds(end)} (or --on-error skip) to use what there is"
        )
    findings.damage(text, max(0, (timeline.announced or 0) - len(timeline)))


def _kind(info: VideoInfo) -> str:
    return info.container.partition(",")[0]
