"""Reading through decord, in a process of its own: for those who ask for it.

Measured on two cores, decord needs a quarter to a third less time a frame than PyAV's exact conversion, and
gives that back in correcting its colours, crossing the process border and starting; so `auto` takes PyAV.

decord reads ahead without bound while its consumer is slow. Where the whole video doesn't fit
GROUP_BYTES, it is therefore asked for one group of frames at a time, begun at a key frame, and stopped
between groups. It gives no exact times: those come from the packets, and its own count and times are
checked against them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from scenivid.errors import DependencyError, InputError
from scenivid.machine.aside import address
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip
from scenivid.video.info import VideoInfo
from scenivid.video.reading import decord_child
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.reader import ThreadedReader
from scenivid.video.reading.times.timeline import Timeline, milliseconds

if TYPE_CHECKING:
    from torch import Tensor

GROUP_BYTES = 256 * 2**20
"""Decoded pixels that decord may hold."""

PATIENCE = 120.0
"""Seconds after which an answer is no longer expected."""


def decord_reader(
    info: VideoInfo,
    timeline: Timeline,
    window: range,
    known: Findings,
    instead: Callable[[int, Findings], Generator[Clip, None, None]],
) -> ThreadedReader:
    """Read `info.path`.

    Args:
        info: what the container says.
        timeline: its frame times.
        window: indices of the frames wanted.
        known: what was found on opening.
        instead: makes the clips where decord can't be loaded.

    Raises:
        InputError: the frames can't be told by number, as decord does.
    """
    losses = _losses(info)
    if losses:
        known.note(f"decord loses {losses}; --decoder pyav keeps it")
    if timeline.counted:
        raise InputError(f"{info.path}: its frame times are known by decoding only; use --decoder pyav")

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        try:
            with _Decord() as decord:
                yield from _clips(decord, info, timeline, window, batch)
        except DependencyError as exc:  # before the first frame
            findings.note(f"{exc}: PyAV reads instead")
            yield from instead(batch, findings)

    return ThreadedReader(info, "decord (asked for)", len(window), produce, known, known.strict)


def _clips(
    decord: _Decord, info: VideoInfo, timeline: Timeline, window: range, batch: int
) -> Generator[Clip, None, None]:
    whole = len(timeline) <= most_frames(info)
    if timeline.open_groups and (window.start or not whole):
        # decord counts frames from a key frame on, and would count the lost ones too
        raise InputError(f"{info.path}: its groups of pictures lean on each other; use --decoder pyav")
    _open(decord, info, timeline)
    done = window.start
    held: list[Tensor] = []
    for span in groups(info, timeline, window):
        for begin in range(span.start, span.stop, batch):
            held.append(_read(decord, range(begin, min(begin + batch, span.stop)), info, timeline))
            if whole:  # no need to stop decord: it can't hold more than the file
                yield _clip(held.pop(), begin, info, timeline)
        if not whole:
            decord.ask({"rewind": True})
        while held and (span.stop == window.stop or done + batch <= span.stop):
            pixels = _take(held, min(batch, span.stop - done))
            yield _clip(pixels, done, info, timeline)
            done += len(pixels)


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


class _Decord:
    """The other process; used in `with`."""

    def __enter__(self) -> _Decord:
        words = [sys.executable, str(Path(decord_child.__file__))]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=nothing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._process.wait()

    def ask(self, command: dict[str, Any]) -> tuple[dict[str, Any], Tensor | None]:
        """The answer to `command`, and the pixels that come with it, [T, H, W, 3] uint8.

        Raises:
            InputError: decord refuses, dies or keeps silent.
            DependencyError: it can't be loaded.
        """
        pipes = self._process
        assert pipes.stdin is not None and pipes.stdout is not None
        watch = threading.Timer(PATIENCE, self._process.kill)
        watch.start()
        try:
            pipes.stdin.write(json.dumps(command).encode() + b"\n")
            pipes.stdin.flush()
            line = pipes.stdout.readline()
            if not line:
                raise InputError("decord crashed on")
            answer = json.loads(line)
            if "absent" in answer:
                raise DependencyError(f"decord can't be loaded ({answer['absent']})")
            if "error" in answer:
                raise InputError("decord can't decode")
            if "shape" not in answer:
                return answer, None
            pixels = np.empty(answer["shape"], np.uint8)
            if pipes.stdout.readinto(pixels.data.cast("B")) != pixels.nbytes:  # type: ignore[attr-defined]
                raise InputError("decord crashed on")
            return answer, torch.from_numpy(pixels)
        except BrokenPipeError as exc:
            raise InputError("decord crashed on") from exc
        finally:
            watch.cancel()


def _open(decord: _Decord, info: VideoInfo, timeline: Timeline) -> None:
    try:
        answer, _ = decord.ask({"open": address(info.path), "restore": _restore(info)})
    except InputError as exc:
        raise InputError(f"{info.path}: {exc} what is in it; use --decoder pyav") from exc
    times = np.array(answer["times"])
    if len(times) != len(timeline):
        raise InputError(
            f"{info.path}: decord counts {len(times)} frames, the container {len(timeline)};"
            " use --decoder pyav"
        )
    # decord counts from the first frame, in float32.
    ours = np.array([float(timeline.seconds(index)) for index in range(len(timeline))])
    if np.abs(ours - (times - times[0])).max() > 1e-3 + 1e-6 * ours[-1]:
        raise InputError(f"{info.path}: decord's frame times aren't the container's; use --decoder pyav")


def _read(decord: _Decord, span: range, info: VideoInfo, timeline: Timeline) -> Tensor:
    """Frames `span`, [T, H, W, 3] uint8."""
    try:
        _, pixels = decord.ask({"read": [span.start, span.stop]})
    except InputError as exc:
        at = milliseconds(timeline.seconds(span.start))
        raise InputError(
            f"{info.path}: {exc} the {len(span)} frames from {at} s on; use --decoder pyav"
        ) from exc
    assert pixels is not None
    if pixels.shape != (len(span), info.height, info.width, 3):
        raise InputError(
            f"{info.path}: decord gives {tuple(pixels.shape[1:3])} rows and columns, expected"
            f" {(info.height, info.width)}; use --decoder pyav"
        )
    return pixels


def _losses(info: VideoInfo) -> str:
    """What of the picture doesn't come through."""
    return (
        "transparency"
        if info.alpha
        else f"{info.bit_depth - 8} of {info.bit_depth} bits" * (info.bit_depth > 8)
    )


def _restore(info: VideoInfo) -> int:
    """Which colours swscale's shortcut floors; see `decord_child`."""
    if info.chroma not in {"420", "422"} or (info.height if info.rotation in (0, 180) else info.width) % 2:
        return 0  # the shortcut isn't taken
    return 1 if info.color.full_range else 2


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
