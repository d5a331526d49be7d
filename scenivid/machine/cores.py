"""How many threads work on what: stages side by side, so that no pool of threads fights another."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

os.environ.setdefault(
    "OMP_WAIT_POLICY", "PASSIVE"
)  # read once, as torch loads: threads that spin starve others

import cv2

from scenivid.machine.lazy import torch

_TRIM, _MMAP, _ARENAS = -1, -3, -8
"""glibc's M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX."""
_FRAME_MEMORY = ((_MMAP, 32 << 20), (_TRIM, 64 << 20), (_ARENAS, 2))
"""Freed memory is kept for the next frame: handing it back and asking again costs a tenth of the time. Few
arenas: a frame is made in one thread and freed in another, and each arena would keep its own."""
_USUAL_MEMORY = ((_MMAP, 128 << 10), (_TRIM, 128 << 10), (_ARENAS, 0))
_MOST_PAINTERS = 4


@dataclass(frozen=True)
class Threads:
    """A division of the cores."""

    painters: int
    """Frames that are painted at once."""
    each: int
    """Threads of the network for each of them."""
    filters: int
    """Threads of OpenCV in each stage."""


def divide(stateless: bool, cores: int | None = None) -> Threads:
    """Share out the cores among painting and the stages beside it.

    Args:
        stateless: whether the style may paint frames side by side.
        cores: that there are; None asks the system what this process may use.
    """
    cores = cores or available()
    painters = min(_MOST_PAINTERS, max(1, cores // 2) + (cores == 2)) if stateless else 1
    return Threads(painters, max(1, cores // painters), max(1, cores // 4))


def available() -> int:
    """Cores that this process may use; OMP_NUM_THREADS can only lower it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) else cores


@contextlib.contextmanager
def set_up(threads: Threads) -> Iterator[None]:
    """Give torch and OpenCV their threads and keep freed memory, and put all back afterwards."""
    loaded = "torch" in sys.modules
    before = torch.get_num_threads() if loaded else 1, cv2.getNumThreads()
    if loaded:
        torch.set_num_threads(threads.each)
    cv2.setNumThreads(threads.filters)
    _tell_malloc(_FRAME_MEMORY)
    try:
        yield
    finally:
        if loaded:
            torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
        _tell_malloc(_USUAL_MEMORY)


def _tell_malloc(settings: tuple[tuple[int, int], ...]) -> None:
    """What glibc keeps of freed memory; other systems have no such setting."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in settings:
            mallopt(parameter, value)
