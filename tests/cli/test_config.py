"""Defaults: the command line above the environment above config.toml; one clear line for what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from scenivid.cli import COMMANDS, main
from scenivid.cli.config import read_defaults
from scenivid.errors import ConfigError
from scenivid.machine import places
from scenivid.styles.engines.choice import cache_dir
from scenivid.styles.published import models_dir

Told = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("SCENIVID_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def told(home: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What `stylize` and `batch` are told, in place of doing it."""
    from scenivid.cli.commands import batch, stylize

    values: Told = {}
    for module in (stylize, batch):
        monkeypatch.setattr(module.command, "callback", lambda **options: values.update(options))
    return values


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    code = stopped.value.code
    assert isinstance(code, int)
    return code


def test_the_command_line_is_above_the_environment_above_the_file(
    home: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config.toml").write_text('style = "file"\nstrength = 0.5\ncrf = 20\npaint = "full"\n')
    monkeypatch.setenv("SCENIVID_STYLE", "environment")
    monkeypatch.setenv("SCENIVID_STRENGTH", "0.25")
    assert _run("stylize", "a.mp4", "b.mp4", "--style", "flag") == 0
    assert (told["style"], told["strength"], told["crf"], told["paint"]) == ("flag", 0.25, 20.0, "full")
    assert told["consistency"] is None  # the default


def test_a_table_is_for_its_command_and_above_what_stands_at_the_top(home: Path, told: Told) -> None:
    (home / "config.toml").write_text(
        'style = "all"\n[batch]\nstyle = "batch"\nas = "pictures"\noverwrite = true\non-error = "skip"\n'
    )
    _run("stylize", "a.mp4", "b.mp4")
    assert told["style"] == "all" and told["overwrite"] is False
    _run("batch", "a", "b")
    assert (told["style"], told["overwrite"], told["kind"]) == ("batch", True, "pictures")
    assert told["on_error"] == "skip"


def test_a_variable_may_name_its_command(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENIVID_BATCH_STYLE", "one")
    monkeypatch.setenv("SCENIVID_STYLE", "two")
    monkeypatch.setenv("SCENIVID_BATCH_JSON", "1")
    _run("batch", "a", "b")
    assert (told["style"], told["as_json"]) == ("one", True)
    _run("stylize", "a", "b")
    assert (told["style"], told["as_json"]) == ("two", False)


def test_options_of_a_command_in_a_group(home: Path) -> None:
    (home / "config.toml").write_text("[eval.flicker]\njson = true\n[weights.list]\njson = true\n")
    defaults = read_defaults(COMMANDS)
    assert defaults["weights"]["list"] == {"as_json": True}
    assert defaults["eval"]["flicker"] == {"as_json": True}


def test_every_shared_option_can_stand_at_the_top(home: Path) -> None:
    from scenivid.cli.options import SHARED

    assert {"style", "strength", "device", "paint", "engine", "progress", "quiet"} <= set(SHARED)
    (home / "config.toml").write_text(
        'style = "cel"\nstrength = 1\nbatch = 2\ntile = "none"\nfps = 23.976\nquiet = true\nlog-file = "x"\n'
        'flow_weights = "raft.pth"\n'
    )
    given = read_defaults(COMMANDS)["stylize"]
    assert given["fps"] == "23.976" and given["quiet"] is True and given["flow_weights"] == "raft.pth"
    assert "style" not in read_defaults(COMMANDS)["probe"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stlye = 1", "unknown 'stlye'; did you mean style?"),
        ("start = 5", "unknown 'start'"),
        ("[stylise]\ncrf = 1", "did you mean stylize?"),
        ("[batch]\noverwrit = true", "did you mean batch.overwrite?"),
        ("[eval.flicke]\njson = true", "did you mean eval.flicker?"),
        ("strength = 3", "strength = 3: 3.0 is not in the range"),
        ('overwrite = "yes"', "overwrite = 'yes': expected true or false"),
        ("style = true", "expected one value"),
        ("style = []", "expected one value"),
        ('on-error = "panic"', "on-error = 'panic': 'panic' is not one of"),
        ("strength = ", "not valid TOML"),
        ("batch = 4\n[batch]\ncrf = 1", "not valid TOML"),
        ("ui = 5", "unknown 'ui'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_one_line_that_names_it(
    home: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "config.toml").write_text(text)
    assert _run("probe", "a.mp4") == 1
    error = capsys.readouterr().err
    assert says in error and str(home / "config.toml") in error and error.count("\n") == 1


def test_help_is_there_even_where_the_file_is_broken(home: Path) -> None:
    (home / "config.toml").write_text("nonsense")
    assert _run("stylize", "--help") == 0


def test_a_file_that_can_not_be_read_is_one_line(home: Path) -> None:
    (home / "config.toml").mkdir()
    with pytest.raises(ConfigError, match="can't be read"):
        read_defaults(COMMANDS)


def test_a_bad_variable_is_named(
    told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCENIVID_STRENGTH", "7")
    assert _run("stylize", "a", "b") == 2
    assert "SCENIVID_STRENGTH" in capsys.readouterr().err


def test_scenivid_home_is_above_xdg_which_is_above_the_usual_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCENIVID_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if sys.platform == "linux":
        assert places.cache_dir() == tmp_path / ".cache" / "scenivid"
        assert places.config_file() == tmp_path / ".config" / "scenivid" / "config.toml"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "f"))
        assert places.cache_dir() == tmp_path / "c" / "scenivid"
        assert places.config_file() == tmp_path / "f" / "scenivid" / "config.toml"
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path / "all"))
    assert places.cache_dir() == tmp_path / "all" == places.config_file().parent
    assert models_dir() == tmp_path / "all" / "models" and cache_dir() == tmp_path / "all" / "engines"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(shell: str, home: Path) -> None:
    (home / "config.toml").write_text("nonsense")  # is nobody's business here
    code = "from scenivid.cli import main; main()"
    environment = {**os.environ, "_SCENIVID_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "_SCENIVID_COMPLETE" in done.stdout and not done.stderr


def test_every_option_of_every_command_has_a_variable_of_its_own() -> None:
    from importlib import import_module

    for name in COMMANDS:
        command = import_module(f"scenivid.cli.commands.{name}").command
        inner = command.commands.values() if isinstance(command, click.Group) else [command]
        for each in inner:
            for option in each.params:
                if isinstance(option, click.Option):
                    assert option.envvar, f"{name} {each.name} {option.name}"
