"""decord runs in a process of its own: what it does to itself is one line here."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import make_clips
import pytest
from shelf import Shelf

from scenivid.errors import InputError
from scenivid.video.open import open_video
from scenivid.video.reading import decord_child, decord_reader


def aborting(path: Path) -> Path:
    """An MP4 of which one word was changed: decord asks for four billion frames and aborts."""
    made = make_clips.plain(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"stts") + 12
    data[at : at + 4] = (2**32 - 16).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    return made.path


def test_an_abort_of_decord_is_an_error_of_that_file(tmp_path: Path) -> None:
    path = aborting(tmp_path / "abort.mp4")
    with (
        open_video(path, "decord") as reader,
        pytest.raises(InputError, match=r"abort\.mp4: .*; use --decoder pyav"),
    ):
        next(reader.clips(2))
    with open_video(path) as reader:
        assert sum(map(len, reader.clips(5))) == make_clips.FRAMES


def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    script = tmp_path / "child.py"
    script.write_text(text)
    monkeypatch.setattr(decord_child, "__file__", str(script))


def test_a_child_that_dies_midway_is_an_error_after_the_frames_before(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, real = shelf.take(make_clips.plain), decord_child.__file__
    with open_video(made.path, "decord") as reader:
        dying = f"import os, signal\nexec(open({real!r}).read().replace('pixels = np', "
        dying += "'command[\"read\"][0] < 4 or os.kill(os.getpid(), signal.SIGABRT); pixels = np'))\n"
        child(tmp_path, monkeypatch, dying)
        clips = reader.clips(2)
        assert [len(next(clips)), len(next(clips))] == [2, 2]
        with pytest.raises(InputError, match=r"decord crashed on the 2 frames from 0\.160 s on"):
            next(clips)


def test_a_child_that_keeps_silent_is_given_up(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child(tmp_path, monkeypatch, "import sys\nfor line in sys.stdin: pass\n")
    monkeypatch.setattr(decord_reader, "PATIENCE", 0.2)
    with (
        open_video(shelf.take(make_clips.plain).path, "decord") as reader,
        pytest.raises(InputError, match="decord crashed"),
    ):
        next(reader.clips(2))


def test_where_decord_cant_be_loaded_pyav_reads_with_a_note(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = f"import sys\nsys.modules['decord'] = None\n__file__ = {decord_child.__file__!r}\n"
    child(tmp_path, monkeypatch, broken + f"exec(open({decord_child.__file__!r}).read())\n")
    with open_video(shelf.take(make_clips.plain).path, "decord") as reader:
        assert sum(map(len, reader.clips(5))) == make_clips.FRAMES
        assert "decord can't be loaded" in reader.notes[0]


def test_no_process_is_left(shelf: Shelf) -> None:
    threads = threading.active_count()
    with open_video(shelf.take(make_clips.plain).path, "decord") as reader:
        next(reader.clips(2))
    assert threading.active_count() == threads
    if sys.platform == "linux":
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        commands = [
            Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children if Path(f"/proc/{pid}").exists()
        ]
        assert not any(b"decord_child" in command for command in commands)


def test_importing_the_reader_doesnt_load_decord() -> None:
    """decord takes a second and 400 MB, and changes how signals are handled."""
    code = (
        "import signal, sys, scenivid.video.reading.decord_reader; "
        "sys.exit('decord' in sys.modules or signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
