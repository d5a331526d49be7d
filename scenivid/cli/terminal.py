"""All that people read: every word passes here, so that no name or text from a file can act as markup.

Messages are log records of the logger `scenivid`: on stderr as they are (or as JSON lines), in the log file
with the time before them.
"""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import click

from scenivid.errors import OutputError
from scenivid.progress import State

Mode = Literal["auto", "plain", "json"]
_log = logging.getLogger("scenivid.cli")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make a line read otherwise than it is written."""


def clean(text: str) -> str:
    """`text` with everything that a terminal would obey (or could not print) written as an escape."""
    return "".join(_escape(char) if _acts(char) else char for char in text)


def say(line: str, event: str = "note", level: int = logging.INFO) -> None:
    """Tell people something in one line."""
    _log.log(level, " ".join(line.split()), extra={"event": event})


def fail(line: str) -> None:
    """Tell people what went wrong; --quiet doesn't silence it."""
    say(line, "error", logging.ERROR)


def out(line: str) -> None:
    """Write a result on stdout."""
    click.echo(clean(line))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], colours: Sequence[str] = (), *,
          err: bool = False) -> None:  # fmt: skip
    """Print a table of plain words.

    Args:
        colours: one a row, for its first cell; empty for none.
        err: on stderr, for people only; left out under --quiet and --progress json.
    """
    if err and not isinstance(formatter(), _Lines):
        return
    from rich.console import Console  # half of the time that --help takes
    from rich.table import Column, Table
    from rich.text import Text

    made = Table(*(Column(name, overflow="fold") for name in columns), box=None)  # a path is never cut
    for index, row in enumerate(rows):
        styles = [colours[index] if colours else "", *[""] * len(row)]
        made.add_row(*(Text(clean(cell), style) for cell, style in zip(row, styles, strict=False)))
    Console(stderr=err).print(made)


def configure(*, verbose: bool = False, debug: bool = False) -> None:
    """Begin: messages go to stderr, as lines."""
    close()
    logger = logging.getLogger("scenivid")
    handler = _Stderr()
    handler.setFormatter(_Lines())
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose or debug else logging.INFO)


def as_json() -> None:
    """From now on, every line on stderr is one JSON value."""
    for handler in _stderr():
        handler.setFormatter(_Json())


def quiet() -> None:
    """From now on, only errors are told."""
    for handler in _stderr():
        handler.setLevel(logging.ERROR)


def also_to(path: Path) -> None:
    """Append every message to a file as well.

    Raises:
        OutputError: it can't be written, or what is there is no text (the video itself, say).
    """
    if path.is_fifo() or (path.is_file() and _other(path)):
        raise OutputError(f"--log-file {path} is no text file: nothing was appended to it")
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        raise OutputError(f"--log-file {path} can't be written: {exc.strerror or exc}") from exc
    handler.setFormatter(_Stamped("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("scenivid").addHandler(handler)


def close() -> None:
    """End: forget the handlers, close the log file."""
    logger = logging.getLogger("scenivid")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def progress_line(state: State, on_stderr: bool) -> None:
    """A line for the log file, and for stderr unless a bar is shown there."""
    line = " ".join(state.line().splitlines())  # a name may have several
    _log.info(line, extra={"event": "progress", "values": state.as_json(), "hidden": not on_stderr})


def formatter() -> logging.Formatter | None:
    """How messages on stderr are written; None where nothing but errors is."""
    loud = [handler.formatter for handler in _stderr() if handler.level < logging.ERROR]
    return loud[0] if loud else None


def last_word(word: str) -> str:
    """A line for stderr, as other lines are there; takes no lock."""
    return (json.dumps({"event": word, "text": word}) if isinstance(formatter(), _Json) else word) + "\n"


class _Stderr(logging.Handler):
    """Writes to whatever stderr is now: a progress bar may have put itself in front of it.

    Not by `click.echo`, which looks for the stream behind and so writes across the bar.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "hidden", False):
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = clean(super().format(record))
        event = getattr(record, "event", "")
        return f"{event}: {text}" if event in ("note", "error") else text


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event = getattr(record, "event", "warning" if record.levelno >= logging.WARNING else "note")
        values = getattr(record, "values", None) or {"text": super().format(record)}
        return json.dumps({"event": event, **values})


class _Stamped(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


def _stderr() -> list[logging.Handler]:
    return [handler for handler in logging.getLogger("scenivid").handlers if isinstance(handler, _Stderr)]


def _other(path: Path) -> bool:
    """Whether a file holds something else than text."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False  # opening it to write says why
    return any(byte < 9 for byte in head)


def _acts(char: str) -> bool:
    return (char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs")) or char in _BIDI


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
