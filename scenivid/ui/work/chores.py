"""Errands of the page (`errands`): one after the other, in a child each; forgotten when the server ends."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scenivid.errors import InputError, one_line
from scenivid.ui.place import new_id
from scenivid.ui.work.child import Begin, Child, Process

_REMEMBERED = 100


@dataclass(frozen=True)
class Chore:
    """One errand, and how it stands."""

    id: str
    user: str
    kind: str
    """'moving', 'views' or 'flicker'."""
    key: str
    """What it is for: the same thing isn't made twice."""
    folder: Path
    """Where it puts what it makes."""
    values: Mapping[str, Any]
    state: Literal["queued", "running", "stopped", "failed", "done"] = "queued"
    error: str | None = None
    progress: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        values = asdict(self)
        return {name: values[name] for name in ("id", "kind", "state", "error", "progress")}


class Chores:
    """Runs errands. All methods may be called from any thread."""

    def __init__(self, begin: Begin = Child) -> None:
        """`begin` starts a child."""
        self._begin = begin
        self._changed = threading.Condition()
        self._known: dict[str, Chore] = {}
        self._children: dict[str, Process] = {}
        self._told_to_stop: set[str] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="scenivid-chores", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """Stop what runs."""
        with self._changed:
            self._closing = True
            for child in self._children.values():
                child.stop()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, user: str, kind: str, key: str, folder: Path, values: Mapping[str, Any]) -> Chore:
        """Have something made, unless it is made already, or just being made.

        A user's older moving previews are stopped: they are about what isn't wanted any more.
        """
        with self._changed:
            for chore in self._known.values():
                same = (chore.user, chore.kind, chore.key) == (user, kind, key)
                if same and chore.state in ("queued", "running", "done"):
                    return chore
            if kind == "moving":
                for chore in list(self._known.values()):
                    if (chore.user, chore.kind) == (user, "moving") and chore.state in ("queued", "running"):
                        self._stop(chore)
            chore = Chore(new_id(), user, kind, key, folder, values)
            self._known[chore.id] = chore
            self._forget()
            self._changed.notify_all()
            return chore

    def get(self, user: str, number: str) -> Chore:
        """A user's errand.

        Raises:
            InputError: no such errand.
        """
        with self._changed:
            chore = self._known.get(number)
        if chore is None or chore.user != user:
            raise InputError(f"no preview {number!r}: it may have been made before the server started again")
        return chore

    def cancel(self, user: str, number: str) -> Chore:
        """Stop an errand; nothing happens to one that has ended.

        Raises:
            InputError: no such errand.
        """
        with self._changed:
            self._stop(self.get(user, number))
            return self._known[number]

    def _stop(self, chore: Chore) -> None:
        if chore.state == "queued":
            self._known[chore.id] = replace(chore, state="stopped")
        elif chore.state == "running":
            self._told_to_stop.add(chore.id)
            if child := self._children.get(chore.id):
                child.stop()

    def _forget(self) -> None:
        """Drop the oldest that have ended, with what a preview made."""
        ended = [chore for chore in self._known.values() if chore.state not in ("queued", "running")]
        for chore in ended[: max(0, len(self._known) - _REMEMBERED)]:
            del self._known[chore.id]
            if chore.kind == "moving":
                shutil.rmtree(chore.folder, ignore_errors=True)

    def _serve(self) -> None:
        while (chore := self._next()) is not None:
            try:
                state, error = self._run(chore)
            except Exception as exc:  # the next one has its turn
                state, error = "failed", one_line(exc)
            with self._changed:
                self._known[chore.id] = replace(
                    self._known[chore.id],
                    state=state,  # type: ignore[arg-type]
                    error=error,
                )

    def _next(self) -> Chore | None:
        with self._changed:
            while not self._closing:
                for chore in self._known.values():
                    if chore.state == "queued":
                        self._known[chore.id] = replace(chore, state="running")
                        return chore
                self._changed.wait()
            return None

    def _run(self, chore: Chore) -> tuple[str, str | None]:
        chore.folder.mkdir(parents=True, exist_ok=True)
        with self._changed:
            if chore.id in self._told_to_stop or self._closing:
                return "stopped", None
            arguments = [chore.kind, json.dumps({**chore.values, "folder": str(chore.folder)})]
            log = chore.folder / f"{chore.kind}.log.jsonl"
            child = self._begin(arguments, chore.folder / f"{chore.kind}.out", log, log.with_suffix(".lock"))
            self._children[chore.id] = child
        try:
            status = child.follow(lambda values: self._progress(chore.id, values))
        finally:
            with self._changed:
                del self._children[chore.id]
        if status == 0:
            return "done", None
        if chore.id in self._told_to_stop:
            return "stopped", None
        return "failed", child.error or f"ended with status {status}"

    def _progress(self, number: str, values: dict[str, Any]) -> None:
        with self._changed:
            self._known[number] = replace(self._known[number], progress=values)
