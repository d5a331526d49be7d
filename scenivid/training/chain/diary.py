"""What a chain remembers between two runs: which stages are done, and the time that each has had."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from scenivid.errors import DataError
from scenivid.machine.aside import whole

FILE = "chain.json"
_EVERY_S = 10.0
"""Least time between two notes of how long a stage has run."""


@dataclass
class Entry:
    """One stage."""

    seconds: float = 0.0
    """Time spent on it, over every run."""
    finished: bool = False


class Diary:
    """The entries of a chain in the folder `out`; only the process that writes keeps them on disk.

    Raises:
        DataError: the file is damaged.
    """

    def __init__(self, out: Path, stages: tuple[str, ...], writes: bool = True) -> None:
        self.path, self.writes = out / FILE, writes
        self.entries = {name: Entry() for name in stages}
        self._begun = self._noted = 0.0
        if self.path.exists():
            try:
                held = json.loads(self.path.read_text(encoding="utf-8"))
                self.entries |= {name: Entry(**held[name]) for name in stages if name in held}
            except (ValueError, TypeError) as exc:
                raise DataError(
                    f"{self.path} can't be read ({exc}); delete it to look at every stage anew"
                ) from exc

    def finished(self, stage: str) -> bool:
        """Whether nothing is left to do of it."""
        return self.entries[stage].finished

    def left(self, stage: str, shares: dict[str, float], minutes: float) -> float:
        """Minutes that `stage` may still take of a budget for the whole chain.

        Args:
            shares: of every stage and of what comes after them.
            minutes: of the whole chain.
        """
        open_ = [name for name in self.entries if not self.finished(name)]
        rest = {*open_, *(shares.keys() - self.entries.keys())}
        others = sum(entry.seconds for name, entry in self.entries.items() if name != stage)
        due = (60 * minutes - others) * shares[stage] / sum(shares[name] for name in rest)
        return max(due - self.entries[stage].seconds, 1.0) / 60

    def spent(self) -> float:
        """Seconds on all stages, up to now where one is going on."""
        going = time.monotonic() - self._noted if self._begun else 0.0
        return sum(entry.seconds for entry in self.entries.values()) + going

    def begin(self) -> None:
        """A stage begins, or goes on."""
        self._begun = self._noted = time.monotonic()

    def note(self, stage: str, *, finished: bool = False, now: bool = True) -> None:
        """Add the time since `begin` or the last note.

        Args:
            now: False writes only where the last note is long ago.
        """
        passed = time.monotonic() - self._noted
        if not now and passed < _EVERY_S:
            return
        self._noted += passed
        entry = self.entries[stage]
        entry.seconds, entry.finished = entry.seconds + passed, finished
        if self.writes:
            held = {name: asdict(entry) for name, entry in self.entries.items()}
            with whole(self.path) as part:
                part.write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
