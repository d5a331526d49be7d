"""One wild batch kills an unguarded translator; the watchdog says so, and clipping prevents it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor
from toy_translator import tiny

from scenivid.errors import DivergedError
from scenivid.training.run.checkpoint import read_checkpoint
from scenivid.training.run.log import read_log
from scenivid.training.run.loop import train
from scenivid.training.run.watchdog import Sign, translator_signs
from scenivid.training.translator.program import TranslatorProgram
from scenivid.training.translator.recipe import Recipe, open_sets

WILD, STEPS = 12, 20
UNGUARDED = ("clip=0.0", "weights.range=0.0")
"""As it was when collapses went unnoticed."""


def toy(data: Path, *more: str) -> Recipe:
    recipe = tiny(data, "generator=lite", "pairs=none", "learning_rate=2e-3", "constant=1.0", *more)
    return replace(recipe, run=replace(recipe.run, steps=STEPS, checkpoint_minutes=0))


class OneWildBatch(TranslatorProgram):
    """Step `WILD` has gradients as large as a batch far from all others gives now and then."""

    wild = False

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        self.wild = index == WILD
        return super().step(index)


def run(recipe: Recipe, out: Path, signs: tuple[Sign, ...]) -> list[int]:
    """Train; the steps at which a style was written."""
    exported: list[int] = []
    with OneWildBatch(recipe, open_sets(recipe)) as program:
        for weight in program.net.parameters():
            weight.register_hook(lambda gradient: gradient * (1e6 if program.wild else 1.0))
        train(program, recipe, out, recipe.run, world=program.world, signs=signs, export=exported.append)
    return exported


def test_unguarded_it_dies_in_silence_and_a_style_is_written(data: Path, tmp_path: Path) -> None:
    assert run(toy(data, *UNGUARDED), tmp_path, ()) == [STEPS]
    log = read_log(tmp_path / "log.jsonl")
    assert all(line["temporal"] < 0.5 for line in log[:WILD])
    assert log[-1]["temporal"] > 0.5  # the output jumps by more than half its range


def test_the_watchdog_stops_it_and_keeps_the_last_good_state(data: Path, tmp_path: Path) -> None:
    recipe = toy(data, *UNGUARDED)
    with pytest.raises(DivergedError, match="has collapsed"):
        run(recipe, tmp_path, translator_signs(recipe.contrast.places))
    # The first output after the wild batch looks alive still: what is kept must be older than that.
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] <= WILD


def test_by_default_it_lives_on(data: Path, tmp_path: Path) -> None:
    recipe = toy(data)
    assert run(recipe, tmp_path, translator_signs(recipe.contrast.places)) == [STEPS]
    assert read_log(tmp_path / "log.jsonl")[-1]["temporal"] < 0.2
