"""Ctrl-C and SIGTERM end a run within two seconds, also where the main thread hangs in native code."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from scenivid.cli.terminal import last_word

_GRACE_S = 1.7
"""For `finally` and `with` to close what is open."""


@contextmanager
def stopping_promptly() -> Iterator[None]:
    """From the first Ctrl-C, SIGTERM or SIGHUP on, the process has not quite two seconds to end by itself.

    Python handles signals between two of its own instructions, so a network that takes a minute a frame, or
    never returns, would hold one up; a thread is told of it at once. What is left then is what is written
    aside, and that is removed. For a program's main thread, once: the thread lives as long as the process.
    """
    if threading.current_thread() is not threading.main_thread() or os.name == "nt":
        yield
        return
    told, tells = socket.socketpair()
    tells.setblocking(False)
    before = signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # a child's signals are its own
    threading.Thread(target=_watch, args=(told, tells), name="scenivid-stop", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        tells.close()


def _watch(told: socket.socket, _: socket.socket) -> None:
    number = 0
    while number not in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        came = told.recv(1)
        if not came:  # the command has ended
            return
        number = came[0]
    threading.Event().wait(_GRACE_S)
    sys.stderr.write(last_word("stopped"))  # not through logging: the main thread may hold its locks
    leave(128 + number)


def leave(status: int) -> NoReturn:
    """End the process at once: taking everything down in good order may take seconds."""
    from scenivid.machine import aside  # loads av, which the command has done by now

    for child in multiprocessing.active_children():
        child.kill()
    aside.discard_all()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody may be listening any more
            stream.flush()
    os._exit(status)
