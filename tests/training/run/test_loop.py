"""The loop: a run that was stopped in any way equals one that wasn't."""

from __future__ import annotations

import copy
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scenivid.errors import Cancelled, CheckpointError, ConfigError, DivergedError
from scenivid.training.recipe import RunSettings, load_recipe
from scenivid.training.run.checkpoint import read_checkpoint
from scenivid.training.run.ema import update_ema
from scenivid.training.run.log import grid, read_log
from scenivid.training.run.loop import Progress, train
from scenivid.training.run.random_state import generator
from scenivid.training.run.schedule import constant_then_linear, warmup_then_cosine


@dataclass(frozen=True)
class Recipe:
    run: RunSettings = field(
        default_factory=lambda: RunSettings(steps=12, log_every=3, sample_every=5, tensorboard=False)
    )
    rate: float = 1e-2
    pause: float = 0.0


class Toy:
    """Uses all three global generators on purpose."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
        with torch.no_grad():
            for parameter in self.net.parameters():
                parameter.fill_(0.1)
        self.ema = copy.deepcopy(self.net).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=recipe.rate)
        self.interrupt_at: int | None = None

    def state(self) -> Mapping[str, Any]:
        return {"net": self.net, "ema": self.ema, "optimizer": self.optimizer}

    def step(self, index: int) -> dict[str, Tensor | float]:
        x = torch.rand(8, 4, generator=generator(self.recipe.run.seed, index))
        x = x + torch.randn_like(x) * 0.1 + float(np.random.rand()) + random.random()
        loss = self.net(x).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        update_ema(self.ema, self.net, 0.9)
        time.sleep(self.recipe.pause)
        if index == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        return {"loss": loss.detach(), "index": float(index)}

    def samples(self) -> Tensor:
        return grid([torch.rand(2, 3, 4, 4)])  # uses the global generator: must not disturb training


def weights(out: Path) -> dict[str, Tensor]:
    state = read_checkpoint(out / "checkpoint.pt")["state"]
    flat = {f"net.{key}": value for key, value in state["net"].items()}
    flat |= {f"ema.{key}": value for key, value in state["ema"].items()}
    for number, held in state["optimizer"]["state"].items():
        flat |= {f"adam.{number}.{key}": value for key, value in held.items()}
    return flat


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_the_docstring_of_the_loop_is_what_runs(tmp_path: Path) -> None:
    recipe = Recipe()
    seen: list[Progress] = []
    outcome = train(Toy(recipe), recipe, tmp_path, recipe.run, progress=seen.append)
    assert outcome.finished and outcome.step == 12
    assert [p.step for p in seen] == list(range(1, 13)) and seen[-1].eta_seconds == 0
    lines = read_log(tmp_path / "log.jsonl")
    assert [line["step"] for line in lines] == [3, 6, 9, 12]
    assert [line["index"] for line in lines] == [1, 4, 7, 10]  # means of the interval
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [f"{n:07d}.png" for n in (5, 10, 12)]
    assert load_recipe(Recipe, tmp_path / "recipe.toml") == recipe


def test_a_run_in_pieces_equals_a_run_in_one(tmp_path: Path) -> None:
    recipe = Recipe()
    train(Toy(recipe), recipe, tmp_path / "one", recipe.run)
    toy = Toy(recipe)
    toy.interrupt_at = 4
    with pytest.raises(Cancelled, match="step 5 of 12"):
        train(toy, recipe, tmp_path / "two", recipe.run)
    outcome = train(Toy(recipe), recipe, tmp_path / "two", recipe.run, minutes=0)
    assert (outcome.step, outcome.finished) == (6, False)
    train(Toy(recipe), recipe, tmp_path / "two", recipe.run)
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    again = train(Toy(recipe), recipe, tmp_path / "two", recipe.run)  # nothing left to do
    assert again.finished and again.step == 12


def test_steps_may_be_raised_later_and_the_log_has_each_step_once(tmp_path: Path) -> None:
    short = load_recipe(Recipe, None, ["run.steps=6", "run.log_every=1", "run.tensorboard=false"])
    train(Toy(short), short, tmp_path, short.run)
    with (tmp_path / "log.jsonl").open("a") as file:  # a crash
        file.write('{"step": 7, "loss": 0}\n{"step": 8, "lo')
    longer = load_recipe(Recipe, None, ["run.steps=9", "run.log_every=1", "run.tensorboard=false"])
    train(Toy(longer), longer, tmp_path, longer.run)
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == list(range(1, 10))


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    recipe = Recipe()
    train(Toy(recipe), recipe, tmp_path, recipe.run)
    other = Recipe(rate=0.5)
    with pytest.raises(ConfigError, match=r"rate was 0\.01, is 0\.5"):
        train(Toy(other), other, tmp_path, other.run)


def test_a_damaged_or_foreign_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    recipe = Recipe()
    (tmp_path / "checkpoint.pt").write_bytes(b"not a zip")
    with pytest.raises(CheckpointError, match="can't be read"):
        train(Toy(recipe), recipe, tmp_path, recipe.run)
    torch.save({"weights": 1}, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        train(Toy(recipe), recipe, tmp_path, recipe.run)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    recipe = load_recipe(
        Recipe,
        None,
        ["run.steps=6", "run.checkpoint_minutes=0", "run.log_every=1", "run.tensorboard=false"],
    )

    class Breaks(Toy):
        def step(self, index: int) -> dict[str, Tensor | float]:
            return super().step(index) | ({"loss": float("nan")} if index == 3 else {})

    with pytest.raises(DivergedError, match="loss stopped being finite before step 4"):
        train(Breaks(recipe), recipe, tmp_path, recipe.run)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == 3


def test_it_runs_outside_the_main_thread_and_writes_tensorboard(tmp_path: Path) -> None:
    recipe = load_recipe(Recipe, None, ["run.steps=2", "run.tensorboard=true"])
    thread = threading.Thread(target=train, args=(Toy(recipe), recipe, tmp_path, recipe.run))
    thread.start()
    thread.join()
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == 2
    assert list((tmp_path / "tensorboard").iterdir())


def test_schedules() -> None:
    assert [constant_then_linear(s, 20) for s in (0, 9, 10, 15, 20)] == [1, 1, 1, 0.5, 0]
    assert warmup_then_cosine(0, 100, warmup=10) == 0.1
    assert warmup_then_cosine(10, 100, warmup=10) == 1
    assert warmup_then_cosine(100, 100, warmup=10, floor=0.25) == pytest.approx(0.25)


def test_ema_is_the_moving_average() -> None:
    net, ema = nn.Linear(1, 1), nn.Linear(1, 1)
    expected = 0.9 * ema.weight.item() + 0.1 * net.weight.item()
    update_ema(ema, net, 0.9)
    assert ema.weight.item() == pytest.approx(expected)


def main(out: str, pause: str) -> None:
    """Run by the test below in a process of its own."""
    run = RunSettings(steps=40, checkpoint_minutes=0.002, log_every=5, sample_every=7, tensorboard=False)
    recipe = Recipe(run=run)
    toy = Toy(recipe)
    toy.recipe = Recipe(run=run, pause=float(pause))
    train(toy, recipe, Path(out), run)


@pytest.mark.slow
def test_killed_and_run_again_gives_the_weights_of_an_uninterrupted_run(tmp_path: Path) -> None:
    command = [sys.executable, __file__]
    subprocess.run([*command, str(tmp_path / "one"), "0"], check=True)
    process = subprocess.Popen([*command, str(tmp_path / "two"), "0.05"])
    checkpoint = tmp_path / "two" / "checkpoint.pt"
    limit = time.monotonic() + 60
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 0 < read_checkpoint(checkpoint)["step"] < 40
    subprocess.run([*command, str(tmp_path / "two"), "0"], check=True)
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert read_checkpoint(tmp_path / "one" / "checkpoint.pt")["step"] == 40


if __name__ == "__main__":
    main(*sys.argv[1:])
