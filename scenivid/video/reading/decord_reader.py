"""Reading through decord: fast, for short 8-bit files in which it loses nothing.

decord reads ahead without bound while its consumer is slow. Where the whole video doesn't fit
GROUP_BYTES, it is therefore asked for one group of frames at a time, begun at a key frame, and stopped
between groups; that costs its speed, so `auto` doesn't. It gives no exact times: those come from the
packets, and its own count and times are checked against them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from scenivid.aside import address
from scenivid.errors import InputError
from scenivid.frames import Clip
from scenivid.video.info import VideoInfo
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.reader import ThreadedReader
from scenivid.video.reading.times.timeline import Timeline, milliseconds

_log = logging.getLogger(__name__)

GROUP_BYTES = 256 * 2**20
"""Decoded pixels that decord may hold."""

_THREADS = 0  # as many as there are cores
# Share of frames that may be copies of their neighbours, made because they can't be decoded: none.
_NO_COPIES = 1e-6


def decord_reader(
    info: VideoInfo,
    timeline: Timeline,
    window: range,
    reason: str,
    instead: Callable[[range, int, Findings], Generator[Clip, None, None]] | None = None,
    known: Findings | None = None,
) -> ThreadedReader:
    """Read `info.path`.

    Args:
        info: what the container says.
        timeline: its frame times.
        window: indices of the frames wanted.
        reason: why decord, for `decoder`.
        instead: makes clips of the frames left, in batches, should decord fail on the way.
        known: what was found on opening.
    """

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        done = window.start
        try:
            for clip in _clips(info, timeline, window, batch):
                yield clip
                done += len(clip)
        except InputError as exc:
            if instead is None:
                raise
            _log.info("%s; PyAV goes on", exc)
            yield from instead(range(done, window.stop), batch, findings)

    return ThreadedReader(
        info, f"decord ({reason})", len(window), produce, known, known is not None and known.strict
    )


def _clips(info: VideoInfo, timeline: Timeline, window: range, batch: int) -> Generator[Clip, None, None]:
    whole = len(timeline) <= most_frames(info)
    if timeline.open_groups and (window.start or not whole):
        # decord counts frames from a key frame on, and would count the lost ones too
        raise InputError(f"{info.path}: its groups of pictures lean on each other; use --decoder pyav")
    video = _open(info, timeline)
    spans = groups(info, timeline, window)
    done = window.start
    held: list[Tensor] = []
    for span in spans:
        for begin in range(span.start, span.stop, batch):
            held.append(_read(video, range(begin, min(begin + batch, span.stop)), info, timeline))
            if whole:  # no need to stop decord: it can't hold more than the file
                yield _clip(held.pop(), begin, info, timeline)
        if not whole:
            video.seek(0)  # drops what it read ahead, and rests there until the next group
        while held and (span.stop == window.stop or done + batch <= span.stop):
            pixels = _take(held, min(batch, span.stop - done))
            yield _clip(pixels, done, info, timeline)
            done += len(pixels)


def first_frame_of(info: VideoInfo, timeline: Timeline) -> Tensor:
    """The first frame as decord gives it, [3, H, W] uint8, to be compared with the reference decoder's.

    Raises:
        InputError: decord can't read the file as its packets announce it.
    """
    return _read(_open(info, timeline), range(1), info, timeline)[0].permute(2, 0, 1)


def most_frames(info: VideoInfo) -> int:
    """Frames that fit GROUP_BYTES."""
    return max(1, GROUP_BYTES // (3 * info.width * info.height))


def groups(info: VideoInfo, timeline: Timeline, window: range) -> list[range]:
    """Split `window` at key frames into runs of at most GROUP_BYTES (at least one group long)."""
    limit = most_frames(info)
    keys = set(timeline.keys)
    cuts = [index for index in window if timeline.pts[index] in keys and index > window.start]
    spans: list[range] = []
    start = window.start
    for key, following in zip([window.start, *cuts], [*cuts, window.stop], strict=True):
        if following - start > limit and key > start:
            spans.append(range(start, key))
            start = key
        while following - start > limit:  # key frames too far apart: decode some twice
            spans.append(range(start, start + limit))
            start += limit
    spans.append(range(start, window.stop))
    return [span for span in spans if span]


@lru_cache
def _decord() -> Any:
    """The package, which takes a second and 400 MB to import: only where it is used."""
    import decord

    decord.logging.set_level(decord.logging.QUIET)  # its errors are raised as well
    return decord


def _open(info: VideoInfo, timeline: Timeline) -> Any:
    decord = _decord()
    try:
        video = decord.VideoReader(address(info.path), num_threads=_THREADS, fault_tol=_NO_COPIES)
        times: npt.NDArray[np.float32] = video.get_frame_timestamp(range(len(video)))[:, 0]
    except (decord.DECORDError, RuntimeError, AssertionError, UnicodeEncodeError) as exc:
        raise InputError(f"{info.path}: decord can't open it; use --decoder pyav") from exc
    if len(video) != len(timeline):
        raise InputError(
            f"{info.path}: decord counts {len(video)} frames, the container {len(timeline)};"
            " use --decoder pyav"
        )
    # decord counts from the first frame, in float32.
    ours = np.array([float(timeline.seconds(index)) for index in range(len(timeline))])
    theirs = times - times[0]
    if np.abs(ours - theirs).max() > 1e-3 + 1e-6 * ours[-1]:
        raise InputError(f"{info.path}: decord's frame times aren't the container's; use --decoder pyav")
    return video


def _read(video: Any, span: range, info: VideoInfo, timeline: Timeline) -> Tensor:
    """Frames `span`, [T, H, W, 3] uint8, in decord's own memory."""
    decord = _decord()
    try:
        pixels = from_dlpack(video.get_batch(span).to_dlpack())
    except (decord.DECORDError, decord._ffi.base.DECORDLimitReachedError, RuntimeError) as exc:
        at = milliseconds(timeline.seconds(span.start))
        raise InputError(
            f"{info.path}: decord can't decode the {len(span)} frames from {at} s on; use --decoder pyav"
        ) from exc
    if pixels.shape != (len(span), info.height, info.width, 3):
        raise InputError(
            f"{info.path}: decord gives {tuple(pixels.shape[1:3])} rows and columns, expected"
            f" {(info.height, info.width)}; use --decoder pyav"
        )
    _add_back(pixels.numpy(), info)
    return pixels


def _add_back(pixels: npt.NDArray[np.uint8], info: VideoInfo) -> None:
    """Undo in place what swscale's shortcut from subsampled YUV to RGB takes away.

    It floors every term of the matrix: by -0.96, -1.50, -0.97 of 255 on average in R, G, B from
    limited range, by -0.48, -0.93, -0.51 from full range. Black and white stay.
    """
    if info.chroma not in {"420", "422"} or (info.height if info.rotation in (0, 180) else info.width) % 2:
        return  # the shortcut isn't taken
    for frame in pixels:
        floored = frame[..., 1] if info.color.full_range else frame
        inside = floored - np.uint8(1)  # 0 wraps to 255
        np.less(inside, 254, out=inside.view(np.bool_))
        floored += inside


def _take(held: list[Tensor], count: int) -> Tensor:
    """The first `count` frames of `held`, which is shortened by them."""
    taken: list[Tensor] = []
    while count:
        piece = held.pop(0)
        taken.append(piece[:count])
        if len(piece) > count:
            held.insert(0, piece[count:])
        count -= len(taken[-1])
    return taken[0] if len(taken) == 1 else torch.cat(taken)


def _clip(pixels: Tensor, begin: int, info: VideoInfo, timeline: Timeline) -> Clip:
    indices = range(begin, begin + len(pixels))
    lengths = (timeline.durations[index] for index in indices)
    durations: list[Fraction | None] = [length * info.time_base if length else None for length in lengths]
    return Clip(
        pixels.permute(0, 3, 1, 2),
        tuple(timeline.pts[index] * info.time_base for index in indices),
        tuple(durations),
    )
