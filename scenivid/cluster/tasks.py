"""What a worker is told to do, and what it says: plain values that can travel to another machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scenivid import errors
from scenivid.engine.loading.loaded import Loaded
from scenivid.errors import Cancelled, ScenividError, one_line


@dataclass(frozen=True)
class Task:
    """A call of `work(hand, *arguments)`; a worker imports the function by its name."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    name: str
    """For people."""


@dataclass(frozen=True)
class Hand:
    """The worker that does a task, as the task sees it."""

    loaded: Loaded
    """Styles that it has in memory."""
    tell: Callable[[Any], None]
    """Says something, in order, to whoever has submitted the task."""
    again: bool = False
    """Whether another worker has died of this task, or at it."""


@dataclass(frozen=True)
class Trouble:
    """An error on its way between processes."""

    kind: str
    text: str
    status: int = 0

    @classmethod
    def of(cls, error: BaseException) -> Trouble:
        """What is left of an error: its kind, if it is one of ours, and its line."""
        kind = type(error).__name__ if isinstance(error, ScenividError) else ""
        return cls(kind, one_line(error), error.status if isinstance(error, Cancelled) else 0)

    def error(self) -> ScenividError:
        """The error again."""
        if self.kind == "Cancelled":
            return Cancelled(self.text, self.status)
        found = getattr(errors, self.kind, ScenividError)
        assert issubclass(found, ScenividError)
        return found(self.text)


@dataclass(frozen=True)
class Message:
    """What a worker says: something of its task, or how that ended."""

    told: Any = None
    done: bool = False
    result: Any = None
    trouble: Trouble | None = None


def perform(task: Task, hand: Hand) -> Message:
    """Do a task; whatever goes wrong is in the last message."""
    try:
        return Message(done=True, result=task.work(hand, *task.arguments))
    except Exception as error:
        return Message(done=True, trouble=Trouble.of(error))
