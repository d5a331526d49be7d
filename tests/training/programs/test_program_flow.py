"""The flow program: loss by hand, a run that learns, a run that is resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scenivid.errors import CheckpointError, DataError
from scenivid.flow.raft import load_raft
from scenivid.nets.checkpoint import read_card
from scenivid.training.data.motion import MotionRecipe
from scenivid.training.programs.flow import FlowProgram, Recipe, load_photos, run, sequence_loss
from scenivid.training.recipe import RunSettings

SMALL = MotionRecipe(height=128, width=128, scales_px=(1.0,), odds=(1.0,), layers=1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two pictures and a text file that calls itself one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        picture = cv2.resize(rng.random((20, 26, 3)) * 255, (260, 200), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{name}.png"), np.clip(picture, 0, 255).astype(np.uint8))
    (folder / "c.jpg").write_text("not a picture")
    return folder


def test_sequence_loss_is_the_formula() -> None:
    flow = torch.zeros(2, 2, 2, 2)
    flow[1, 0] = 10.0
    estimates = [torch.ones(2, 2, 2, 2), torch.full((2, 2, 2, 2), 2.0)]
    weight = [1.0, 1 / (1 + 0.3 * 10)]
    first = (1 * weight[0] + (9 + 1) / 2 * weight[1]) / 2
    second = (2 * weight[0] + (8 + 2) / 2 * weight[1]) / 2
    assert sequence_loss(estimates, flow, 0.8).item() == pytest.approx(0.8 * first + second)


@pytest.mark.slow
def test_a_run_writes_weights_that_the_estimator_loads(photos: Path, tmp_path: Path) -> None:
    recipe = Recipe(
        run=RunSettings(steps=2, log_every=1, sample_every=0, tensorboard=False),
        photos=photos, motion=SMALL, batch=1, updates=2, workers=0,
    )  # fmt: skip
    path = run(recipe, tmp_path / "out")
    assert path.stat().st_size < 2_500_000
    assert read_card(path).architecture == "raft_small"
    flow = load_raft("raft-small", torch.device("cpu"), path)(
        torch.rand(1, 3, 128, 128), torch.rand(1, 3, 128, 128)
    )
    assert flow.shape == (1, 2, 128, 128) and bool(flow.isfinite().all())
    again = FlowProgram(replace(recipe, start=path), load_photos(photos, SMALL))
    written = load_file(path)["feature_encoder.convnormrelu.0.weight"]
    torch.testing.assert_close(again.net.feature_encoder.convnormrelu[0].weight.detach(), written.float())


def test_batches_depend_on_their_index_only(photos: Path) -> None:
    recipe = Recipe(photos=photos, motion=SMALL, batch=2, workers=0)
    images = load_photos(photos, SMALL)
    assert len(images) == 2
    whole, resumed = FlowProgram(recipe, images), FlowProgram(recipe, images)
    whole.batch(0)
    for one, two in zip(whole.batch(1), resumed.batch(1), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_a_folder_without_photographs_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no usable image"):
        load_photos(tmp_path, SMALL)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_foreign_start_weights_are_refused(photos: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"foreign{suffix}"
    save = torch.save if suffix == ".pt" else save_file
    save({"weight": torch.zeros(1)}, path)
    recipe = Recipe(photos=photos, motion=SMALL, start=path)
    with pytest.raises(CheckpointError, match="raft_small"):
        FlowProgram(recipe, load_photos(photos, SMALL))
