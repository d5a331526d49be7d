"""What is written aside appears whole or not at all, whatever ends the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from scenivid.errors import Cancelled, OutputError
from scenivid.machine import aside
from scenivid.machine.signals import cancellable

ENDED = """
    import os, signal, sys
    from pathlib import Path
    from scenivid.machine import aside
    from scenivid.errors import Cancelled
    from scenivid.machine.signals import cancellable

    try:
        with cancellable():
            aside.make_file(Path({folder!r}) / "out.mp4")
            aside.make_folder(Path({folder!r}) / "frames")
            os.kill(os.getpid(), signal.{name})
            print("not reached")
    except Cancelled as stop:
        sys.exit(stop.status)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_leaves_nothing_behind(tmp_path: Path, name: str, status: int) -> None:
    program = textwrap.dedent(ENDED).format(folder=str(tmp_path), name=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_only_the_first_signal_is_raised_and_the_old_handling_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    tidied = False
    with pytest.raises(Cancelled), cancellable():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            tidied = True
    assert tidied and signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with cancellable():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_signals_are_left_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with cancellable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_what_killed_runs_left_is_found_and_nothing_else(tmp_path: Path) -> None:
    old = tmp_path / ".out.mp4.0badcafe.part"
    old.touch()
    (tmp_path / "notes.part").touch()
    day = 24 * 3600
    os.utime(old, (time.time() - 2 * day,) * 2)
    mine = aside.make_file(tmp_path / "out.mp4")
    os.utime(mine, (time.time() - 2 * day,) * 2)
    (tmp_path / ".young.mp4.0badcafe.part").touch()
    assert aside.left_over(tmp_path, day) == [old]
    aside.discard(mine)


def test_a_whole_file_replaces_what_is_there_and_a_half_one_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.bin"
    with aside.whole(path) as part:
        part.write_bytes(b"first")
    with pytest.raises(ValueError, match="on the way"), aside.whole(path) as part:
        part.write_bytes(b"half")
        raise ValueError("on the way")
    assert path.read_bytes() == b"first" and [entry.name for entry in path.parent.iterdir()] == ["x.bin"]
    with aside.whole(path) as part:
        part.write_bytes(b"second")
    assert path.read_bytes() == b"second"
    with pytest.raises(OutputError, match="folder of this name"), aside.whole(tmp_path / "new"):
        pass
