"""What people read: nothing foreign acts as markup, progress comes as asked, signals end a run promptly."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenivid.cli import main, terminal
from scenivid.cli.progress import metered
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams

HOSTILE = [
    "[/a]",
    "[/red]",
    "[bold]x[/bold]",
    "[link=file:///x]y[/link]",
    "\x1b[2Jgone",
    "a\x07b",
    "\u202egpm",
]


def _status(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def _frames(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((16, 16, 3), 9 * index, np.uint8))
    return folder


@pytest.mark.parametrize("word", HOSTILE)
def test_foreign_words_come_out_as_they_are_and_move_no_cursor(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.configure()
    terminal.table(("a", "b"), [("done", word)], ["green"])
    terminal.table(("a", "b"), [("done", word)], err=True)
    terminal.say(word)
    terminal.out(word)
    said = "".join(capsys.readouterr())
    assert said.count(terminal.clean(word)) == 4
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", said)


def test_a_name_that_is_no_utf_8_can_be_printed() -> None:
    assert terminal.clean(os.fsdecode(b"caf\xe9 \xf0\x9f\x8e\xac \xc3\xa9.mp4")) == "caf\\xe9 🎬 é.mp4"


@pytest.mark.parametrize("word", HOSTILE)
def test_a_batch_with_hostile_names_tells_its_results_and_its_json(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = word.replace("/", "∕")
    _frames(tmp_path / "in" / name)
    (tmp_path / "in" / f"{name}.mp4").write_text("no video")
    folder = tmp_path / "in" / "[" / "a].d"  # the slash of "[/a]" from the tree itself
    _frames(folder)
    assert _status("batch", tmp_path / "in", tmp_path / "out", "--style", "none", "--json") == 1
    said = capsys.readouterr()
    found = json.loads(said.out.splitlines()[-1])
    assert (found["done"], found["failed"]) == (2, 1)
    assert "3 sources: 2 done, 0 skipped, 1 failed" in said.err


def test_a_track_with_a_hostile_language_is_probed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = file.add_stream("pcm_s16le", rate=8000)
        sound.metadata["language"] = "[/a]"
        file.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        file.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 400), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        file.mux(sound.encode(frame))
    assert _status("probe", path) == 0
    assert "[/a]" in capsys.readouterr().out


def test_a_card_with_markup_is_listed_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path))
    card = ModelCard("evil", "lite", {}, description="[/bold] \x1b[2J", licence="[red]mine")
    save_checkpoint(tmp_path / "models" / "evil.safetensors", Lite(LiteParams()), card)
    assert _status("styles", "list") == 0 and _status("styles", "info", "evil") == 0
    said = capsys.readouterr().out
    assert "[/bold]" in said and "[red]mine" in said and "\x1b[2J" not in said


def test_plain_progress_is_lines_also_where_stderr_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _frames(tmp_path / "in")
    assert _status("stylize", source, tmp_path / "out", "--style", "none") == 0
    lines = capsys.readouterr().err.splitlines()
    assert any(re.match(r"in: 3 of 3 frames, .*frames/s, done in 0:0\d", line) for line in lines), lines


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_a_name_of_two_lines_makes_one_line_of_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _frames(tmp_path / "in\nside")
    assert _status("stylize", source, tmp_path / "out", "--style", "none") == 0
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("in side: 3 of 3 frames, ") for line in lines), lines
    assert "in" not in lines


def test_json_progress_is_json_on_every_line_of_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _frames(tmp_path / "in" / "good")
    (tmp_path / "in" / "bad.mp4").write_text("no video")
    words = ("batch", tmp_path / "in", tmp_path / "out", "--style", "none", "--progress", "json", "--json")
    assert _status(*words) == 1
    said = capsys.readouterr()
    events = [json.loads(line) for line in said.err.splitlines()]
    assert {event["event"] for event in events} == {"begun", "progress", "error", "done"}
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["name"], last["done"], last["total"], last["file"], last["files"]) == ("good", 3, 3, 2, 2)
    assert last["finished"] and json.loads(said.out)["done"] == 1


def test_quiet_tells_errors_only_and_the_log_file_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, log = _frames(tmp_path / "in"), tmp_path / "log.txt"
    for word in ("first", "second"):
        assert _status("stylize", source, tmp_path / word, "--style", "none", "-q", "--log-file", log) == 0
    assert capsys.readouterr().err == ""
    assert _status("stylize", source, tmp_path / "first", "--quiet", "--log-file", log) == 1
    assert capsys.readouterr().err.startswith("error: ")
    text = log.read_text()
    assert text.count("done in 0:0") == 2 and "ERROR" in text and text.startswith("20")


def test_a_log_file_that_can_not_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _status("stylize", "a", "b", "--log-file", tmp_path / "no" / "log.txt") == 1
    assert capsys.readouterr().err.startswith("error: --log-file")


def test_a_log_is_never_appended_to_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "in.mp4"
    video.write_bytes(b"\0\0\0\x1cftypisom")
    os.mkfifo(tmp_path / "pipe")
    for place in (video, tmp_path / "pipe"):
        assert _status("stylize", video, tmp_path / "out.mp4", "--log-file", place) == 1
        assert "is no text file" in capsys.readouterr().err
    assert video.stat().st_size == 12


class _Screen(io.TextIOWrapper):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def test_a_message_has_a_line_of_its_own_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    terminal.configure()
    with metered("steps") as meter:
        meter.begin("lite")(1, 3)
        terminal.say("step 1: pixel 0.5")
        meter.end()
    terminal.close()
    screen.seek(0)
    assert re.search(r"(\n|\x1b\[2K)note: step 1: pixel 0\.5\r?\n", screen.read())


def test_the_lines_of_progress_keep_their_distance(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.configure()
    with metered() as meter:
        tell = meter.begin("a.mp4")
        for done in range(500):
            tell(done, 500)
        meter.end()
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread"), ValueError("odd")])
def test_any_error_is_one_line_and_status_1(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("scenivid.video.open.probe", broken)
    assert _status("probe", "a.mp4") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "Traceback" not in said


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_that_are_none_are_wrong_usage(value: str) -> None:
    for option in ("--strength", "--consistency", "--crf", "--start", "--duration", "--fps"):
        assert _status("stylize", "a", "b", option, value) == 2
    assert _status("stylize", "a", "b", "--start", "1e999999999") == 2
    assert _status("train", "flow", "--minutes", value) == 2


HANGS = """
    import hashlib, sys
    from pathlib import Path
    from scenivid.machine import aside
    from scenivid.cli import main
    import scenivid.engine

    def stuck(*_):
        aside.make_file(Path({folder!r}) / "out.mp4")
        print("begun", flush=True)
        while True:
            {how}

    scenivid.engine.stylize = stuck
    sys.argv = ["scenivid", "stylize", "a", "b"]
    main()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
@pytest.mark.parametrize(
    ("how", "number", "status"),
    [
        ("pass", signal.SIGINT, 130),
        ("pass", signal.SIGTERM, 143),
        ("hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2 * 10**9)", signal.SIGINT, 130),
        ("hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2 * 10**9)", signal.SIGHUP, 129),
    ],
    ids=["Ctrl-C", "SIGTERM", "Ctrl-C in native code", "SIGHUP in native code"],
)
def test_a_signal_ends_a_run_within_two_seconds_and_leaves_nothing(
    how: str, number: signal.Signals, status: int, tmp_path: Path
) -> None:
    program = textwrap.dedent(HANGS).format(folder=str(tmp_path), how=how)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as run:  # fmt: skip
        assert run.stdout is not None and run.stdout.readline() == "begun\n"
        began = time.monotonic()
        run.send_signal(number)
        _, said = run.communicate(timeout=30)
        took = time.monotonic() - began
    assert run.returncode == status and "stopped" in said and len(said.splitlines()) == 1
    assert took < 2.5 and list(tmp_path.iterdir()) == []


def test_the_last_word_is_json_where_other_lines_are() -> None:
    terminal.configure()
    assert terminal.last_word("stopped") == "stopped\n"
    terminal.as_json()
    assert json.loads(terminal.last_word("stopped")) == {"event": "stopped", "text": "stopped"}
    terminal.close()
