"""One batch shared out among machines that see the same folders, with nothing but files between them.

Each job is claimed by a file, which its holder touches every few seconds. A claim that nobody touches
expires, and the job is taken up by another from where it stands. Clocks need not agree: all times are those
of the file system.

    .scenivid/3f2a….claim.0     the first holder; .1 is whoever took the job up after it had died, …

A claim is never taken away, only topped by one with the next number, which one process alone can create.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scenivid.batch.jobs import Begun, Check, Job, Result, attempt, locked
from scenivid.engine.loading.loaded import Loaded
from scenivid.engine.run import stylize_with
from scenivid.errors import ConfigError, OutputError

EXPIRES_S = 60.0
_BEATS = 6
"""How often a claim is touched before it would expire."""


@dataclass(frozen=True)
class Shard:
    """Which share of the jobs one process begins with."""

    number: int
    """From 1."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From `2/5`.

        Raises:
            ConfigError: it is anything else.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise ConfigError(f"{text!r} is no share: give 1/4, 2/4, 3/4 and 4/4 to four processes")
        return cls(int(found[1]), int(found[2]))

    def order(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs of this share, then those of the others, the next one's first."""
        return [
            job
            for step in range(self.count)
            for job in jobs[(self.number - 1 + step) % self.count :: self.count]
        ]


@dataclass(frozen=True)
class Claims:
    """`Hold` for processes on several machines."""

    expires_s: float = EXPIRES_S

    @property
    def pause_s(self) -> float:
        """After so long, it is worth looking again at what others hold."""
        return min(5.0, self.expires_s / _BEATS)

    @contextmanager
    def __call__(self, record: Path) -> Iterator[Check | None]:
        """Hold a job; None where another has it."""
        with locked(record) as mine:
            claim = None if mine is None else self._claim(record)
            if claim is None:
                yield None
                return
            over = threading.Event()
            beats = threading.Thread(target=self._beat, args=(claim, over), name="scenivid-claim")
            beats.daemon = True
            beats.start()
            try:
                yield lambda: _still(record, claim)
            finally:
                over.set()
                beats.join()
                for known in _claims(record):
                    if _number(known) <= _number(claim):
                        known.unlink(missing_ok=True)

    def _claim(self, record: Path) -> Path | None:
        known = _claims(record)
        number = 0
        if known:
            with suppress(FileNotFoundError):  # its holder has just ended
                if _now(record.parent) - known[-1].stat().st_mtime < self.expires_s:
                    return None
                number = _number(known[-1]) + 1
        path = record.with_suffix(f".claim.{number}")
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return None
        with os.fdopen(file, "w") as opened:
            opened.write(f"{socket.gethostname()} {os.getpid()}\n")
        return path

    def _beat(self, claim: Path, over: threading.Event) -> None:
        while not over.wait(self.expires_s / _BEATS):
            with suppress(OSError):  # storage that is away for a moment
                os.utime(claim)


def run_shard(
    jobs: Sequence[Job], shard: Shard, claims: Claims, begun: Begun | None = None
) -> Iterator[Result]:
    """Run the jobs of one share, then what is left of the others'; wait for those that others are at.

    So the last process ends when everything is done, and whatever became of the others, their jobs are.

    Returns:
        One result for every job; "skipped" for what others have done.
    """
    networks: dict[str, str | None] = {}
    make = partial(stylize_with, Loaded())
    waiting = list(enumerate(shard.order(jobs)))
    while waiting:
        held = []
        for index, job in waiting:
            result = attempt(index, job, networks, make, begun, claims, take_up=True)
            if result is None:
                held.append((index, job))
            else:
                yield result
        waiting = held
        if waiting:
            time.sleep(claims.pause_s)


def _claims(record: Path) -> list[Path]:
    """All claims on a job, the newest last."""
    return sorted(record.parent.glob(f"{record.stem}.claim.*"), key=_number)


def _number(claim: Path) -> int:
    return int(claim.suffix[1:])


def _still(record: Path, claim: Path) -> None:
    known = _claims(record)
    if not known or known[-1] != claim:
        raise OutputError("another process has taken this job over: this one was silent for too long")


def _now(folder: Path) -> float:
    """The time by the clock of the file system."""
    probe = folder / f".{secrets.token_hex(6)}.now"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
