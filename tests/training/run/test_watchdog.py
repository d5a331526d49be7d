"""A collapsed run is stopped and leaves nothing behind; a healthy one isn't disturbed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scenivid.errors import DivergedError
from scenivid.training.recipe import RunSettings
from scenivid.training.run.checkpoint import read_checkpoint
from scenivid.training.run.loop import train
from scenivid.training.run.watchdog import Sign, Watchdog, translator_signs

HIGH = Sign("error", 1.0, True, "too much")


def test_a_sign_counts_only_after_it_was_good_or_after_the_grace() -> None:
    dog = Watchdog([HIGH], grace=10)
    assert all(dog.healthy(step, {"error": 5.0}) for step in range(1, 11))
    assert not dog.healthy(11, {"error": 5.0})
    dog = Watchdog([HIGH], grace=10)
    assert dog.healthy(1, {"error": 0.5}) and not dog.healthy(2, {"error": 5.0})


def test_one_bad_interval_is_forgiven_two_are_not() -> None:
    dog = Watchdog([HIGH])
    assert dog.healthy(1, {"error": 0.5}) and not dog.healthy(2, {"error": 2.0})
    assert dog.healthy(3, {"error": 0.5}) and not dog.healthy(4, {"error": 2.0})
    with pytest.raises(DivergedError, match=r"collapsed before step 5 \(error 2: too much\)"):
        dog.healthy(5, {"error": 2.0})


def test_the_end_has_no_patience_and_nan_is_bad() -> None:
    dog = Watchdog([HIGH])
    dog.healthy(1, {"error": 0.5})
    with pytest.raises(DivergedError):
        dog.healthy(2, {"error": float("nan")}, last=True)


def test_what_isnt_logged_is_no_sign() -> None:
    assert Watchdog([HIGH]).healthy(5000, {"other": 9.0})


@pytest.mark.parametrize(
    ("means", "dead"),
    [
        ({"temporal": 0.02, "hdce": 1.1, "contrast": 0.2}, False),
        ({"temporal": 792.0, "hdce": 1.1, "contrast": 0.2}, True),
        ({"temporal": 0.02, "hdce": 5.32, "contrast": 0.2}, True),
        ({"temporal": 0.02, "hdce": 1.1, "contrast": 0.001}, True),
    ],
)
def test_the_signs_tell_a_collapsed_translator(means: Mapping[str, float], dead: bool) -> None:
    dog = Watchdog(translator_signs(places=256))
    assert dog.healthy(2000, means) is not dead


@dataclass(frozen=True)
class Recipe:
    run: RunSettings = field(
        default_factory=lambda: RunSettings(
            steps=30, log_every=2, checkpoint_minutes=0, sample_every=0, tensorboard=False
        )
    )


class Collapses:
    """Its error is small for ten steps and huge from then on."""

    def __init__(self) -> None:
        self.net = nn.Linear(1, 1)

    def state(self) -> Mapping[str, Any]:
        return {"net": self.net}

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        with torch.no_grad():
            self.net.weight.fill_(float(index))
        return {"error": 0.1 if index < 10 else 100.0}

    def samples(self) -> Tensor | None:
        return None


def run(out: Path, signs: Sequence[Sign], exported: list[int]) -> None:
    recipe = Recipe()
    train(Collapses(), recipe, out, recipe.run, signs=signs, export=exported.append)


def test_a_dead_run_keeps_its_last_good_checkpoint_and_exports_nothing(tmp_path: Path) -> None:
    exported: list[int] = []
    with pytest.raises(DivergedError, match="error 100: too much"):
        run(tmp_path, [HIGH], exported)
    held = read_checkpoint(tmp_path / "checkpoint.pt")
    # That of step 9 was healthy, too, but for one interval only: not long enough to be sure of it.
    assert held["step"] == 7 and float(held["state"]["net"]["weight"]) == 6.0
    assert [path.name for path in tmp_path.glob("*checkpoint*")] == ["checkpoint.pt"]
    assert exported == []


def test_without_the_sign_the_same_run_ends_and_is_exported(tmp_path: Path) -> None:
    exported: list[int] = []
    run(tmp_path, [], exported)
    assert exported == [30]
