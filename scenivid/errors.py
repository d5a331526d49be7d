"""What can go wrong, as one tree. Everything here is for the user to fix: one line, what to do.

ScenividError
├── InputError        the source can't be read (missing, damaged, no video stream, unsupported)
├── OutputError       the result can't be written (no permission, disk full, exists, unsupported)
├── CheckpointError   a weights file is wrong, foreign, damaged or not available
├── ConfigError       a recipe, an option or a combination of options makes no sense
├── DataError         a training or evaluation data set is empty, damaged or too small
├── DivergedError     a training run has collapsed; its last good checkpoint is kept
├── DependencyError   an optional package is missing; the message names the extra to install
└── Cancelled         somebody asked to stop (SIGTERM, SIGHUP); everything was closed
"""

from __future__ import annotations


class ScenividError(Exception):
    """The root: catch this to catch all that a user can fix."""


class InputError(ScenividError):
    """The source can't be read."""


class OutputError(ScenividError):
    """The result can't be written."""


class CheckpointError(ScenividError):
    """A weights file is wrong, foreign, damaged or not available."""


class ConfigError(ScenividError):
    """A recipe, an option or a combination of options makes no sense."""


class DataError(ScenividError):
    """A data set is empty, damaged or too small."""


class DivergedError(ScenividError):
    """A training run has collapsed, or its losses are no longer finite."""


class DependencyError(ScenividError):
    """An optional package is missing."""


class Cancelled(ScenividError):
    """Somebody asked to stop."""

    def __init__(self, message: str = "stopped", status: int = 130) -> None:
        """`status` is what the process exits with: 143 after SIGTERM, 129 after SIGHUP, 130 after Ctrl-C."""
        super().__init__(message)
        self.status = status


def one_line(error: BaseException) -> str:
    """What went wrong, for people, in one line; what nobody could have mended says so."""
    text = " ".join(str(error).split())
    low = text.lower()
    if isinstance(error, MemoryError) or "out of memory" in low or "can't allocate memory" in low:
        return "out of memory: use a smaller --batch or --tile, or --device cpu"
    if "can't start new thread" in low:
        return "the system refuses another thread: close other programs, or raise the limit on processes"
    if isinstance(error, UnicodeEncodeError) and "surrogates" in low:
        return "a name that is not valid UTF-8 can't be used here: rename the file or the folder"
    if isinstance(error, ScenividError | OSError):
        return text
    return f"{type(error).__name__}: {text} (a fault of scenivid: please report it; --debug shows where)"


def foreseen(error: BaseException) -> bool:
    """Whether `one_line` names something that the user can fix."""
    return "(a fault of scenivid" not in one_line(error)
