"""`train finetune`: the semantic constraints pull, the source and the frozen parts stay, resume is exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.stylegan2 import Generator, StyleGAN2Params, read_checkpoint
from scenivid.nets.stylegan2_discriminator import Discriminator
from scenivid.training.programs.finetune import Recipe, run
from scenivid.training.recipe import load_recipe
from scenivid.training.run.log import read_log
from scenivid.training.stylegan import constraints
from scenivid.training.stylegan.constraints import Constraints, Judges, semantic_losses

RECIPES = Path(__file__).resolve().parents[3] / "train" / "recipes"
TOY = StyleGAN2Params(size=32, channel_multiplier=1 / 64, style_dim=8, mapping_layers=2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Networks of a source domain, as `train stylegan` leaves them."""
    path, g = tmp_path / "source.pt", Generator(TOY)
    torch.save({"g_ema": g.state_dict(), "d": Discriminator(TOY).state_dict()}, path)
    return path


@pytest.fixture
def paintings(tmp_path: Path) -> Path:
    folder = tmp_path / "paintings"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((36, 36, 3), 60 * i, np.uint8)).save(folder / f"{i}.png")
    return folder


def toy_recipe(source: Path, paintings: Path, *sets: str) -> Recipe:
    return load_recipe(
        Recipe,
        None,
        [
            f"source={source.as_posix()}", f"images={paintings.as_posix()}", "in_memory=true", "workers=0",
            "gan.batch=4", "gan.trained_blocks=2", "gan.frozen_d_layers=1", "gan.augment=diffaugment",
            "constraints.encoder=efficientnet", "constraints.perceptual_network=encoder",
            "constraints.directional=1.0", "constraints.patches=4",
            "constraints.direction_images=4", "run.steps=2", "run.log_every=1",
            "run.sample_every=0", "run.tensorboard=false", "realism.every=0", *sets,
        ],
    )  # fmt: skip


class Encoder:
    """Embeds the mean colour: everything about it can be computed by hand."""

    name = "colour"

    def global_embedding(self, x: Tensor) -> Tensor:
        return F.normalize(x.mean(dim=(2, 3)))

    def patch_embeddings(self, x: Tensor, boxes: Tensor) -> Tensor:
        places = [x[..., i, -1 - i] for i in range(len(boxes))]
        return F.normalize(torch.stack(places, dim=1), dim=2)

    def distance(self, x: Tensor, reference: Tensor) -> Tensor:
        return (x - reference).abs().mean()


@pytest.mark.parametrize("name", ["paper-finetune", "tiny-finetune"])
def test_recipes_parse(name: str) -> None:
    recipe = load_recipe(Recipe, RECIPES / f"{name}.toml")
    assert recipe.constraints.active and recipe.gan.path == 0


def test_the_paper_s_recipe_freezes_and_averages_as_it_says() -> None:
    gan = load_recipe(Recipe, RECIPES / "paper-finetune.toml").gan
    assert (gan.batch, gan.trained_blocks, gan.frozen_d_layers, gan.ada_target) == (8, 4, 3, 0.6)
    assert gan.ema == pytest.approx(0.5 ** (32 / 10_000))


def test_the_paper_s_recipe_has_the_paper_s_losses_and_no_other() -> None:
    recipe = load_recipe(Recipe, RECIPES / "paper-finetune.toml")
    held = recipe.constraints
    assert (held.encoder, held.perceptual_network, held.directional, held.embedding) == (
        "clip",
        "lpips",
        0,
        1,
    )
    assert min(held.semantic, held.perceptual, held.patch) > 0
    assert recipe.gan.augment == "ada" and recipe.gan.ada_images == 500_000
    assert held == Recipe().constraints


def test_lpips_is_taken_where_it_is_asked_for_and_its_absence_is_said_first(
    source: Path, paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vgg = tmp_path / "vgg16"
    sets = ["perceptual_network=lpips", "directional=0.0", f"lpips_weights={vgg.as_posix()}"]
    asked = toy_recipe(source, paintings, *(f"constraints.{entry}" for entry in sets))
    with pytest.raises(CheckpointError, match="vgg16"):
        run(replace(asked, images=tmp_path / "none"), tmp_path / "out")
    opened = []

    def lpips(name: str, *_: object) -> object:
        opened.append(name)
        return lambda y, x: 0.25 + 0 * y.mean()

    monkeypatch.setattr(constraints, "open_distance", lpips)
    vgg.touch()
    run(replace(asked, run=replace(asked.run, steps=1)), tmp_path / "out")
    assert opened == ["lpips"]
    assert read_log(tmp_path / "out" / "log.jsonl")[0]["perceptual"] == pytest.approx(0.5 * 0.25)


def test_losses_are_weighted_and_equal_images_have_none_but_the_contrast() -> None:
    x, boxes = torch.rand(2, 3, 8, 8), torch.zeros(2, 4)
    settings = Constraints(encoder="efficientnet", semantic=2.0, embedding=0.5, perceptual=3.0, patch=0.25)
    judges = Judges(Encoder(), Encoder().distance)
    same = semantic_losses(judges, settings, x, x, boxes, None)
    assert set(same) == {"embedding", "perceptual", "patch"}
    assert float(same["embedding"]) == pytest.approx(0, abs=1e-6) and float(same["perceptual"]) == 0
    keys = Encoder().patch_embeddings(x, boxes).numpy()
    logits = np.einsum("nid,njd->nij", keys, keys) / 0.07
    nce = np.mean([np.log(np.exp(m[i]).sum()) - m[i, i] for m in logits for i in range(2)])
    assert float(same["patch"]) == pytest.approx(0.25 * nce, rel=1e-4)
    settings = replace(settings, directional=1.0)
    other = semantic_losses(judges, settings, x, 1 - x, boxes, torch.tensor([1.0, 0.0, 0.0]))
    assert float(other["perceptual"]) == pytest.approx(6 * float((x - (1 - x)).abs().mean()), rel=1e-5)
    assert float(other["embedding"]) > 0 and 0 <= float(other["directional"]) <= 4


def test_no_gradient_reaches_the_source_s_image() -> None:
    x = torch.rand(2, 3, 8, 8, requires_grad=True)
    y = torch.rand(2, 3, 8, 8, requires_grad=True)
    direction = torch.tensor([1.0, 0.0, 0.0])
    settings = Constraints(directional=1.0)
    judges = Judges(Encoder(), Encoder().distance)
    losses = semantic_losses(judges, settings, x, y, torch.zeros(2, 4), direction)
    assert set(losses) == {"directional", "embedding", "perceptual", "patch"}
    torch.stack(list(losses.values())).sum().backward()
    assert x.grad is None and y.grad is not None and float(y.grad.abs().sum()) > 0


def test_a_run_trains_the_fine_blocks_and_keeps_the_mapping(
    source: Path, paintings: Path, tmp_path: Path
) -> None:
    path = run(toy_recipe(source, paintings), tmp_path / "out")
    before, after = read_checkpoint(source)["g_ema"], read_checkpoint(path)["g_ema"]
    changed = {key for key, value in before.items() if not torch.equal(value, after[key])}
    assert changed and all(key.split(".")[0] in {"convs", "to_rgbs"} for key in changed)
    assert not any(key.startswith(("convs.0", "convs.1", "to_rgbs.0")) for key in changed)  # 8 px
    logged = read_log(tmp_path / "out" / "log.jsonl")
    assert {"directional", "embedding", "perceptual", "patch", "g_loss"} <= logged[-1].keys()


def test_a_stopped_and_continued_run_ends_with_the_same_weights(
    source: Path, paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constraints, "open_encoder", lambda *_: Encoder())
    whole = read_checkpoint(run(toy_recipe(source, paintings), tmp_path / "whole"))
    run(toy_recipe(source, paintings, "run.steps=1"), tmp_path / "parts")
    parts = read_checkpoint(run(toy_recipe(source, paintings), tmp_path / "parts"))
    for net in whole:
        assert all(torch.equal(value, parts[net][key]) for key, value in whole[net].items()), net


def test_without_constraints_no_encoder_is_needed(source: Path, paintings: Path, tmp_path: Path) -> None:
    off = [
        "constraints.encoder=clip",
        "constraints.perceptual_network=lpips",
        "constraints.semantic=0.0",
        "constraints.patch=0.0",
        "run.steps=1",
    ]
    run(toy_recipe(source, paintings, *off), tmp_path / "out")
    assert "patch" not in read_log(tmp_path / "out" / "log.jsonl")[0]


def test_distance_and_agreement_are_logged_and_start_at_full_agreement(
    source: Path, paintings: Path, tmp_path: Path
) -> None:
    sets = ["realism.every=2", "realism.images=8", "realism.side=32", "run.steps=1", "run.sample_every=1"]
    run(toy_recipe(source, paintings, *sets), tmp_path / "out")
    first = read_log(tmp_path / "out" / "log.jsonl")[0]
    assert first["fd_effnet"] > 0 and first["agreement"] == pytest.approx(1.0)
    assert (tmp_path / "out" / "samples" / "0000001.png").exists()


def test_the_dry_run_checks_the_source(
    source: Path, paintings: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(toy_recipe(source, paintings), tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists()
    with caplog.at_level("INFO"):
        run(toy_recipe(tmp_path / "none.pt", paintings), tmp_path / "out", dry_run=True)
    assert f"missing: source: {tmp_path / 'none.pt'}" in caplog.text and "memory: about" in caplog.text
    torch.save({"g_ema": Generator(TOY).state_dict()}, tmp_path / "g.pt")
    with pytest.raises(CheckpointError, match="no discriminator"):
        run(toy_recipe(tmp_path / "g.pt", paintings), tmp_path / "out", dry_run=True)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="both source_text and target_text"):
        Constraints(source_text="photo")
    with pytest.raises(ConfigError, match="no texts"):
        Constraints(encoder="vgg19", source_text="photo", target_text="anime")
    with pytest.raises(ConfigError, match="trained_blocks"):
        load_recipe(Recipe, None, ["gan.trained_blocks=0"])
