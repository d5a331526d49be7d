"""What runs apart from the server, one process each: `python -m scenivid.ui.work.child COMMAND …`.

`stylize …` is the command line's own, word for word. The others make what the page shows of a job. All end by
themselves when whoever started them is gone, however it went: their standard input then ends, and they treat
that as SIGTERM. A child waits for the one before it on the same thing, so that a server that starts again at
once finds nothing held.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from scenivid.machine import locks

_PATIENCE_S = 10.0
_POLITE = 5
"""Niceness: whoever moves a dial waits for nobody."""
_log_lock = threading.Lock()


class Process(Protocol):
    """A child, seen from the server."""

    @property
    def error(self) -> str | None:
        """The last thing it complained of."""

    def follow(self, progress: Callable[[dict[str, Any]], None]) -> int:
        """Wait until it ends; its exit status. `progress` gets each progress line."""

    def stop(self) -> None:
        """Tell it to end; `follow` returns soon. What it has finished stays, to go on with."""


Begin = Callable[[Sequence[str], Path, Path, Path], Process]
"""Starts a child: its arguments, the files of its output and its log, and its lock."""


class Child:
    """The server's side of one process."""

    def __init__(self, arguments: Sequence[str], result: Path, log: Path, lock: Path) -> None:
        """Start it.

        Args:
            result: gets its standard output.
            log: gets what it says on the way, appended.
            lock: held while it runs.
        """
        package = str(Path(__file__).resolve().parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        with result.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scenivid.ui.work.child", str(lock), *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # Ctrl-C is for the server, which then stops its children
            )
        self._log = log
        self.error: str | None = None
        """The last thing it complained of."""

    def follow(self, progress: Callable[[dict[str, Any]], None]) -> int:
        """Wait until it ends; its exit status.

        Args:
            progress: gets each progress line.
        """
        assert self._process.stderr is not None
        with self._process.stderr as stream, self._log.open("ab") as log:
            for line in stream:
                log.write(line)
                log.flush()
                self._heard(line, progress)
        status = self._process.wait()
        self._close_input()
        return status

    def stop(self) -> None:
        """Tell it to end; `follow` returns soon. What it has finished stays, to go on with."""
        self._close_input()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        timer = threading.Timer(_PATIENCE_S, self._process.kill)
        timer.daemon = True
        timer.start()

    def _heard(self, line: bytes, progress: Callable[[dict[str, Any]], None]) -> None:
        try:
            values = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            text = line.decode(errors="replace").strip()
            self.error = text or self.error
        elif values.get("event") == "progress":
            progress({name: value for name, value in values.items() if name != "event"})
        elif values.get("event") == "error":
            self.error = str(values.get("text"))

    def _close_input(self) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()


def tell(event: str, **values: Any) -> None:
    """One line for the server."""
    with _log_lock:
        sys.stderr.write(json.dumps({"event": event, **values}) + "\n")
        sys.stderr.flush()


def main(arguments: Sequence[str]) -> None:
    """Do what the arguments say: the lock's path, then the command."""
    threading.Thread(target=_watch, daemon=True).start()
    with contextlib.suppress(OSError, AttributeError):  # Windows knows no niceness
        os.nice(_POLITE)
    lock, command, *rest = arguments
    with locks.hold(Path(lock), wait=True):
        if command == "stylize":
            from scenivid.cli import main as scenivid

            sys.argv = ["scenivid", command, *rest]
            scenivid()
        else:
            from scenivid.ui.work import errands

            errands.run(command, json.loads(rest[0]), tell)


def _watch() -> None:
    """Wait until nobody can write to the standard input any more.

    By its descriptor: a thread within a Python stream would hold its lock when the interpreter ends.
    """
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
