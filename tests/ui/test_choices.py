"""The dials: ranges as on the command line, and the command line that means the same."""

from __future__ import annotations

import shlex
from fractions import Fraction

import pytest

from scenivid.cli.commands.stylize import command, settings_from
from scenivid.engine import StylizeSettings
from scenivid.errors import ConfigError
from scenivid.ui.choices import FORMATS, Choices, exact, seconds


def test_the_defaults_are_the_command_lines_but_said_all_the_same() -> None:
    assert Choices().settings() == StylizeSettings()
    assert (
        Choices().command("in.mp4", "out.mp4", False)
        == "scenivid stylize in.mp4 out.mp4 --style aozora --strength 1 --consistency 0.7 --paint auto"
    )


def test_every_choice_is_on_the_command_line_which_understands_it() -> None:
    choices = Choices("cel", 0.6, 0.25, 0.4, 720, 1.5, 0.2, "mov-prores")
    words = shlex.split(choices.command("a b.mp4", "-out.mov", False))
    assert words[:4] == ["scenivid", "stylize", "a b.mp4", "./-out.mov"]
    context = command.make_context("stylize", words[2:])
    options = {
        name: value
        for name, value in context.params.items()
        if name not in ("source", "output", "as_json", "workers", "ray")
    }
    start, duration = options.pop("start"), options.pop("duration")
    understood = settings_from(options, start=start, duration=duration)
    wanted = choices.settings()
    for name in ("style", "strength", "ink", "consistency", "paint"):
        assert getattr(understood, name) == getattr(wanted, name)
    assert (understood.start, understood.duration, understood.codec) == (
        Fraction(3, 2),
        Fraction(1, 5),
        "prores",
    )


@pytest.mark.parametrize(
    "values",
    [
        {"strength": 1.1}, {"strength": "1"}, {"strength": True}, {"strength": float("nan")}, {"ink": -0.1},
        {"consistency": None, "ink": float("inf")}, {"paint": 8}, {"paint": "small"}, {"paint": True},
        {"start": -1}, {"duration": 0}, {"duration": 1e9}, {"format": "exe"}, {"style": "azora"},
        {"style": "/etc/passwd"}, {"style": "x.onnx"}, {"styl": "cel"}, {"device": "cpu"},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^.+$"):
        Choices.of(values)


def test_a_picture_becomes_a_picture_and_a_video_a_video() -> None:
    assert Choices().suffix(True) == ".png" and Choices().suffix(False) == ".mp4"
    with pytest.raises(ConfigError, match="png, jpg"):
        Choices(format="gif").suffix(True)
    with pytest.raises(ConfigError, match="mp4"):
        Choices(format="png").suffix(False)
    assert all(Choices(format=name).suffix(name in ("png", "jpg")) == FORMATS[name][0] for name in FORMATS)


def test_seconds_are_what_the_command_line_reads() -> None:
    assert [seconds(value) for value in (0.1, 2.0, 1 / 3, 10.0)] == ["0.1", "2", "0.333333", "10"]
    assert exact(0.1) == Fraction(1, 10) and exact(None) is None
