"""SIGTERM and SIGHUP as an exception in the main thread: `with` and `finally` then close what is open."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from scenivid.errors import Cancelled

INTERRUPTED = 130
"""Exit status after Ctrl-C, which Python raises as KeyboardInterrupt by itself."""


@contextlib.contextmanager
def cancellable() -> Iterator[None]:
    """Within, the first SIGTERM or SIGHUP raises Cancelled; more of them don't disturb the tidying up.

    A signal that is ignored already (SIGHUP under `nohup`) stays ignored. In another thread than the
    main one, where signals can't be handled, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    raised = False

    def cancel(number: int, _: FrameType | None) -> None:
        nonlocal raised
        if not raised:
            raised = True
            raise Cancelled(f"stopped by {signal.Signals(number).name}", status=128 + number)

    before = {}
    try:
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, cancel)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
