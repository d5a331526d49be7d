"""The command line: every example in the help works, errors are one line, the status is what it should be."""

from __future__ import annotations

import json
import shlex
import shutil
from importlib import import_module
from pathlib import Path

import click
import cv2
import numpy as np
import pytest

from scenivid.cli import COMMANDS, main
from scenivid.cli.command import Command
from scenivid.cli.parameters import Seconds
from scenivid.styles.zoo import find
from scenivid.temporal import DEFAULT_CONSISTENCY

ROOT = Path(__file__).resolve().parents[1]


def _commands(name: str, command: click.Command) -> list[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        return [
            found for sub, inner in command.commands.items() for found in _commands(f"{name} {sub}", inner)
        ]
    return [(name, command)]


ALL = [
    found
    for name in COMMANDS
    for found in _commands(name, import_module(f"scenivid.cli.commands.{name}").command)
]
EXAMPLES = [example for _, command in ALL if isinstance(command, Command) for example in command.examples]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a checkout, with a little data to train on; models go there as well."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "train").symlink_to(ROOT / "train")
    for kind in ("photos", "paintings"):
        folder = tmp_path / "data" / "open" / kind
        folder.mkdir(parents=True)
        for index in range(4):
            picture = np.random.default_rng(index).integers(0, 255, (20, 30, 3), np.uint8)
            cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(picture, (480, 320)))
    (tmp_path / "paintings").symlink_to(tmp_path / "data" / "open" / "paintings")
    shutil.copy(find("cel"), tmp_path / "my_style.safetensors")
    (tmp_path / "photos").symlink_to(tmp_path / "data" / "open" / "photos")
    (tmp_path / "films").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path / "home"))
    return tmp_path


def _status(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    code = stopped.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_help_works(example: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *words = shlex.split(example)
    assert program == "scenivid"
    if words[0] == "ui":  # would serve until somebody stops it
        monkeypatch.setattr("scenivid.ui.server.serve", lambda settings, ready: ready("http://127.0.0.1/"))
    if words[:2] == ["weights", "fetch"]:  # would need the network
        monkeypatch.setattr("scenivid.styles.published.obtain", lambda entry: Path(entry.name))
    if words[:2] == ["styles", "learn"]:
        words[words.index("--minutes") + 1] = "0.02"
    assert _status(*words) == 0


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_has_an_example_and_shows_it(
    name: str, command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(command, Command) and command.examples
    assert _status(*name.split(), "--help") == 0
    assert command.examples[0] in capsys.readouterr().out


def test_the_last_line_of_json_is_the_contract(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _status("stylize", "examples/clip.mp4", "out.mkv", "--style", "none", "--codec", "ffv1",
                   "--duration", "0.2", "--json") == 0  # fmt: skip
    captured = capsys.readouterr()
    said = json.loads(captured.out.splitlines()[-1])
    assert said["frames"] == 5 and said["output"] == "out.mkv"
    assert set(said["stages"]) == {"decode", "translate", "flow", "steady", "finish", "encode"}
    assert "settings" in said and "frames in" in captured.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("stylize", "nothing.mp4", "out.mp4"), "nothing.mp4"),
        (("stylize", "text.mp4", "out.mp4"), "text.mp4"),
        (("stylize", "examples/clip.mp4", "examples/clip.mp4", "--overwrite"), "input itself"),
        (("stylize", "examples/clip.mp4", "there.mp4"), "--overwrite"),
        (("stylize", "examples/clip.mp4", "there.mp4/out.mp4"), "there.mp4"),
        (("stylize", "examples/clip.mp4", "out.xyz"), "out.xyz"),
        (("stylize", "examples/clip.mp4", "out.mp4", "--style", "azora"), "aozora"),
        (("stylize", "examples/clip.mp4", "out.mp4", "--style", "there.safetensors"), "there.safetensors"),
        (("stylize", "examples/clip.mp4", "out.mp4", "--codec", "ffv1"), "mkv"),
        (("stylize", "examples/clip.mp4", "out.mp4", "--device", "cuda:7"), "cuda:7"),
        (("batch", "examples/clip.mp4", "out"), "not a folder"),
        (("probe", "text.mp4"), "text.mp4"),
        (("styles", "info", "azora"), "aozora"),
        (("weights", "fetch", "rafd"), "raft-large"),
        (("train", "flow", "--set", "typo=1", "--dry-run"), "typo"),
        (("train", "flow", "--resume"), "no run"),
        (("compare", "examples/clip.mp4", "text.mp4", "out.mp4"), "text.mp4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_bad_input_is_one_clear_line_and_nothing_is_lost(
    words: tuple[str, ...], says: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("text.mp4", "there.mp4", "there.safetensors"):
        (home / name).write_text("not a video, only text")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert _status(*words) == 1
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and says in lines[0], lines
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "words",
    [("stylise",), ("stylize", "one.mp4"), ("stylize", "a", "b", "--strength", "2"),
     ("stylize", "a", "b", "--start", "soon"), ("stylize", "a", "b", "--batch", "0")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_status_2(words: tuple[str, ...]) -> None:
    assert _status(*words) == 2


def test_a_failed_file_makes_the_batch_fail(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "shots").mkdir()
    (home / "shots" / "bad.mp4").write_text("text")
    assert _status("batch", "shots", "out", "--style", "none", "--json") == 1
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["failed"] == 1 and said["jobs"][0]["status"] == "failed"


def test_times_are_exact() -> None:
    convert = Seconds().convert
    assert convert("0.1", None, None) * 10 == 1
    assert convert("1:02:03.5", None, None) == 3723.5


def test_the_help_names_the_default_consistency(capsys: pytest.CaptureFixture[str]) -> None:
    assert _status("stylize", "--help") == 0
    assert f"[default: {DEFAULT_CONSISTENCY}]" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["stylize", "", "out.mp4"], ["stylize", "in.mp4", ""], ["probe", ""]])
def test_an_empty_name_is_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
