"""The progress of a run as a bar where a person is looking, and as lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from scenivid.cli import terminal
from scenivid.cli.terminal import Mode, clean
from scenivid.progress import Crowd, Meter, Show, State

Tell = Callable[[int, int | None], None]
_PLAIN_S, _JSON_S = 10.0, 1.0
"""Least time between two lines."""


@contextmanager
def metered(unit: str = "frames", files: int = 1) -> Iterator[Meter]:
    """A meter whose states are shown as the options of the command say (see `options.progress_options`)."""
    with _showing() as show:
        yield Meter(show, unit, files)


@contextmanager
def crowded(files: int) -> Iterator[Crowd]:
    """`metered` for files side by side."""
    with _showing() as show:
        yield Crowd(show, files=files)


@contextmanager
def _showing() -> Iterator[Show]:
    mode = _mode()
    if terminal.formatter() is None:  # --quiet; the log file still gets its lines
        yield _lines(_PLAIN_S, on_stderr=False)
    elif mode == "json":
        yield _lines(_JSON_S)
    elif mode == "plain" or not sys.stderr.isatty():
        yield _lines(_PLAIN_S)
    else:
        with _bar() as show:
            also = _lines(_PLAIN_S, on_stderr=False)
            yield lambda state: (show(state), also(state))[0]


@contextmanager
def shown(title: str, unit: str = "frames", resumed: bool = False) -> Iterator[Tell]:
    """The progress of one thing: call what this yields with (done, expected or None).

    Args:
        resumed: the first call may come in the middle; the rate counts from there.
    """
    with metered(unit) as meter:
        tell: Tell | None = None

        def told(done: int, expected: int | None) -> None:
            nonlocal tell
            tell = tell or meter.begin(title, done=done if resumed else 0)
            tell(done, expected)

        if not resumed:
            tell = meter.begin(title)
        yield told
        meter.end()


def _mode() -> Mode:
    context = click.get_current_context(silent=True)
    mode: Mode = context.meta.get("scenivid.progress", "auto") if context else "auto"
    return mode


def _lines(every_s: float, on_stderr: bool = True, clock: Callable[[], float] = time.monotonic) -> Show:
    """The first state, then one in so many seconds, and each file's last."""
    due = clock()

    def show(state: State) -> None:
        nonlocal due
        if state.finished or clock() >= due:
            due = clock() + every_s
            terminal.progress_line(state, on_stderr)

    return show


class _Words(ProgressColumn):
    """Rate and time left, as the meter has them."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("words", "")), style="cyan")


@contextmanager
def _bar() -> Iterator[Show]:
    columns = [
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), _Words(),
    ]  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        file = progress.add_task("", total=None)
        whole = progress.add_task("files", total=None, visible=False)

        def show(state: State) -> None:
            words = state.line().partition(", ")[2]
            progress.update(
                file, description=clean(state.name), completed=state.done, total=state.total, words=words
            )
            if state.files > 1:
                finished = state.file if state.finished else state.file - 1
                progress.update(whole, completed=finished, total=state.files, visible=True)

        yield show
