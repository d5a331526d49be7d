"""A studio whose children are only pretended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scenivid.ui.place import Place
from scenivid.ui.sources import Sources
from scenivid.ui.stills import Stills
from scenivid.ui.studio import Studio
from scenivid.ui.work.chores import Chores
from scenivid.ui.work.jobs import Jobs
from scenivid.ui.work.queue import Queue

WAIT_S = 60
"""Until a thread must have done what takes it no time: a machine may be busy."""


class Pretended:
    """Stands in for children: each waits until the test lets it go, then writes its result or fails."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        """Arguments of each child, in order."""
        self.go = threading.Event()
        self.go.set()
        self.error: str | None = None
        """If set, children fail with it."""
        self.changed = threading.Condition()

    def __call__(self, arguments: Sequence[str], result: Path, log: Path, lock: Path) -> PretendedChild:
        with self.changed:
            self.begun.append(list(arguments))
            self.changed.notify_all()
        return PretendedChild(self, list(arguments))

    def wait_for(self, count: int) -> None:
        """Until so many children have begun."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.begun) >= count, WAIT_S)


class PretendedChild:
    """One of them."""

    def __init__(self, play: Pretended, arguments: list[str]) -> None:
        self._play, self._arguments = play, arguments
        self._stopped = threading.Event()
        self.error: str | None = None

    def follow(self, progress: Callable[[dict[str, Any]], None]) -> int:
        progress({"done": 1, "total": 2, "eta_seconds": 3.0})
        while not self._play.go.wait(0.01):
            if self._stopped.is_set():
                return 143
        if self._play.error:
            self.error = self._play.error
            return 1
        if self._arguments[0] == "stylize":
            Path(self._arguments[2]).write_bytes(b"made of " + Path(self._arguments[1]).read_bytes()[:4])
        return 0

    def stop(self) -> None:
        self._stopped.set()


def make_studio(folder: Path, children: Pretended, at_once: int = 1) -> Studio:
    """A studio that doesn't work yet."""
    place = Place(folder / "home")
    named = folder / "named"
    named.mkdir(exist_ok=True)
    return Studio(
        place, Sources(place, (named.resolve(),)), Queue(Jobs(place), at_once, "cpu", begin=children),
        Chores(children), Stills("cpu"), "cpu",
    )  # fmt: skip


def wait_until(true: Callable[[], bool]) -> None:
    """Until a thread has done something; fails after a while."""
    done = threading.Event()
    for _ in range(WAIT_S * 100):
        if true():
            return
        done.wait(0.01)
    pytest.fail("it never came to be")
