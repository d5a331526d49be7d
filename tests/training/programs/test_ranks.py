"""Every program in two processes: weights stay equal, each file is written once, one folder is enough."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import scenivid
from scenivid.nets.lite import LiteParams
from scenivid.training.data.motion import MotionRecipe
from scenivid.training.lite import recipe as lite_recipe
from scenivid.training.painter.views import PairSettings
from scenivid.training.pairs.program import read_manifest
from scenivid.training.programs import flow, lite, pairs
from scenivid.training.recipe import RunSettings, load_recipe
from scenivid.training.run.checkpoint import read_checkpoint
from scenivid.training.run.loop import train
from scenivid.training.run.world import open_world

HERE = str(Path(scenivid.__file__).parents[1])
RUN = RunSettings(steps=2, log_every=1, sample_every=0, tensorboard=False, checkpoint_minutes=0)


def lite_of(folder: Path) -> lite_recipe.Recipe:
    return lite_recipe.Recipe(
        run=RUN,
        photos=folder / "photos",
        network=LiteParams((16, 16, 16), (0, 0), (1,), (0, 0), 16),
        pairs=PairSettings(views=8, size=80, short_side=(80.0, 100.0)),
        weights=lite_recipe.Weights(perceptual=0.0, hdce=0.01, style_nce=0.01),
        crop=64, batch=1, moved=1, precision="fp32", workers=0,
    )  # fmt: skip


def flow_of(folder: Path) -> flow.Recipe:
    motion = MotionRecipe(height=128, width=128)
    return flow.Recipe(run=RUN, photos=folder / "photos", motion=motion, batch=1, updates=1, workers=0,
                       precision="fp32")  # fmt: skip


def pairs_of(folder: Path) -> pairs.Recipe:
    given = [f"folder={(folder / 'own').as_posix()}", "pairs=folder", "photo.size=32",
             "candidates=5", "batch=1",
             "segmenter=none"]  # fmt: skip
    return replace(load_recipe(pairs.Recipe, None, given), run=RUN)


class Counts:
    """Learns nothing, and remembers how often it was asked."""

    def __init__(self) -> None:
        self.net = torch.nn.Linear(1, 1)

    def state(self) -> dict[str, torch.nn.Module]:
        return {"net": self.net}

    def step(self, index: int) -> dict[str, float]:
        with torch.no_grad():
            self.net.weight.fill_(index)
        return {"loss": 0.0}

    def samples(self) -> None:
        return None


def main(folder: str) -> None:
    """One of two processes."""
    torch.set_num_threads(1)
    here, world = Path(folder), open_world()
    told: dict[str, object] = {}
    program = lite.LiteProgram  # its weights at the end of a run, in every process
    held: list[lite.LiteProgram] = []

    class Kept(program):  # type: ignore[misc,valid-type]
        def __init__(self, *given: object) -> None:
            super().__init__(*given)
            held.append(self)

    lite.LiteProgram = Kept  # type: ignore[misc]
    lite.run(lite_of(here), here / "lite")
    assert held[0].contrast is not None
    told["lite"] = [
        float(value.double().abs().sum())
        for module in (held[0].net, held[0].contrast.heads)
        for value in module.state_dict().values()
    ]
    flow.run(flow_of(here), here / "flow")
    pairs.run(pairs_of(here), here / "pairs")
    own = here / f"own{world.rank}"  # two machines without a common folder
    counts, recipe = Counts(), lite_of(here)
    for steps in (2, 3):
        done = train(counts, recipe, own, replace(RUN, steps=steps), world=world)
    told["steps"] = done.step
    told["first"] = float(counts.net.weight)
    (here / f"{world.rank}.json").write_text(json.dumps(told))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two processes have run every program."""
    folder = tmp_path_factory.mktemp("ranks")
    random = np.random.default_rng(0)
    for side in ("photos", "own/source", "own/target"):
        (folder / side).mkdir(parents=True)
        for number in range(5):
            coarse = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / side / f"{number}.png"), cv2.resize(coarse, (180, 140)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                  "MASTER_PORT": str(probe.getsockname()[1]), "ACCELERATE_USE_CPU": "1"}  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, str(folder)],
            env=os.environ | shared | {"PYTHONPATH": HERE, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]
    assert [process.wait(timeout=500) for process in processes] == [0, 0]
    return folder


@pytest.mark.slow
def test_lite_networks_stay_equal_and_are_written_once(together: Path) -> None:
    first, second = (json.loads((together / f"{rank}.json").read_text())["lite"] for rank in "01")
    assert first == second
    assert (together / "lite" / "aozora.safetensors").is_file()
    lines = (together / "lite" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


@pytest.mark.slow
def test_lite_s_pairs_are_painted_by_both_and_whole(together: Path) -> None:
    (store,) = lite.open_stores(lite_of(together), together / "lite")
    assert len(store.pairs()) == len(store.jobs) == 40


@pytest.mark.slow
def test_flow_is_written_once(together: Path) -> None:
    assert read_checkpoint(together / "flow" / "checkpoint.pt")["step"] == 2
    assert (together / "flow" / "raft_small.safetensors").is_file()


@pytest.mark.slow
def test_every_pair_is_made_once_and_listed_in_order(together: Path) -> None:
    rows = read_manifest(together / "pairs")
    assert [row["index"] for row in rows] == [0, 1, 2, 3, 4]
    assert all((together / "pairs" / str(row["target"])).is_file() for row in rows)
    assert (together / "pairs" / "kept.jpg").is_file()


@pytest.mark.slow
def test_a_process_without_the_checkpoint_goes_on_from_the_other_s(together: Path) -> None:
    for rank in "01":
        told = json.loads((together / f"{rank}.json").read_text())
        assert told["steps"] == 3 and told["first"] == 2.0
    assert (together / "own0" / "checkpoint.pt").exists() and not (
        together / "own1" / "checkpoint.pt"
    ).exists()


if __name__ == "__main__":
    main(*sys.argv[1:])
