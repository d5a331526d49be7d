"""Around the loop: seconds by stage, copies to and from the device, and the thread that encodes."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

import torch
from torch import Tensor

from scenivid.frames import Clip, to_float, to_pixels

STAGES = ("decode", "translate", "flow", "steady", "encode")
_QUEUE = 2
"""Clips that may wait for the encoder: enough to overlap, small enough to bound memory."""


class Stopwatch:
    """Adds up the seconds of each stage. On CUDA it uses events and never makes the loop wait."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._open: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def stage(self, name: str, on_device: bool = False) -> Iterator[None]:
        """Time what happens inside; `on_device` for work that the GPU does later."""
        if on_device and self.device.type == "cuda":
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            begin.record()
            yield
            end.record()
            self._open.append((name, begin, end))
            while self._open and self._open[0][2].query():  # type: ignore[no-untyped-call]
                self._close()
            return
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - began

    def seconds(self) -> dict[str, float]:
        """Totals by stage; waits for the device once."""
        if self._open:
            torch.cuda.synchronize(self.device)
        while self._open:
            self._close()
        return dict(self._seconds)

    def _close(self) -> None:
        name, begin, end = self._open.pop(0)
        self._seconds[name] += begin.elapsed_time(end) / 1000


def uploaded(clips: Iterator[Clip], device: torch.device) -> Iterator[tuple[Clip, Tensor]]:
    """Each clip with its pixels on the device; on CUDA one clip ahead, on a stream of its own."""
    if device.type != "cuda":
        for clip in clips:
            yield clip, clip.pixels.to(device)
        return
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    ahead: list[tuple[Clip, Tensor]] = []

    def take() -> tuple[Clip, Tensor]:
        torch.cuda.current_stream(device).wait_stream(side)
        clip, pixels = ahead.pop(0)
        pixels.record_stream(torch.cuda.current_stream(device))
        return clip, pixels

    for clip in clips:
        current = take() if ahead else None
        with torch.cuda.stream(side):
            ahead.append((clip, clip.pixels.pin_memory().to(device, non_blocking=True)))
        if current is not None:
            yield current
    if ahead:
        yield take()


def _alpha_like(pixels: Tensor, clip: Clip) -> Tensor | None:
    """The source's opacity, as deep as the finished pixels."""
    if clip.alpha is None or clip.alpha.dtype == pixels.dtype:
        return clip.alpha
    return to_pixels(to_float(clip.alpha), pixels.dtype)


class _Writes(Protocol):
    def write(self, clip: Clip) -> None: ...


class Encoding:
    """Feeds a writer from a thread of its own through a bounded queue; an error there is raised here."""

    def __init__(self, writer: _Writes, watch: Stopwatch) -> None:
        self._writer, self._watch = writer, watch
        self._queue: queue.Queue[tuple[Clip, torch.cuda.Event | None] | None] = queue.Queue(_QUEUE)
        self._error: BaseException | None = None
        self._dropping = False
        self._thread = threading.Thread(target=self._run, name="scenivid-encode", daemon=True)

    def put(self, pixels: Tensor, like: Clip) -> None:
        """Hand over the finished frames of a clip; waits while the queue is full."""
        ready = None
        if pixels.device.type == "cuda":
            host = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
            host.copy_(pixels, non_blocking=True)
            pixels.record_stream(torch.cuda.current_stream(pixels.device))
            ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            ready.record()
            pixels = host
        self._queue.put((Clip(pixels, like.pts, like.durations, _alpha_like(pixels, like)), ready))
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Encoding:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dropping = kind is not None
        self._queue.put(None)
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._dropping or self._error is not None:
                continue  # keep emptying, so that `put` never waits for a dead thread
            clip, ready = item
            try:
                if ready is not None:
                    ready.synchronize()
                with self._watch.stage("encode"):
                    self._writer.write(clip)
            except BaseException as error:  # whatever it is, it belongs to the caller's thread
                self._error = error
