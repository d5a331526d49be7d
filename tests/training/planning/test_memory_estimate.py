"""What a dry run says of memory is what a step then takes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from allocated import measured
from torch import nn

from scenivid.nets.stylegan2 import Generator, StyleGAN2Params
from scenivid.nets.stylegan2_discriminator import Discriminator
from scenivid.perception import perceptual, semantic
from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.training.data.augment import Augment
from scenivid.training.losses.feature_critic import FeatureCritic
from scenivid.training.pairs import segmenters
from scenivid.training.planning import gan
from scenivid.training.planning.memory import peak_bytes
from scenivid.training.programs import finetune, stylegan
from scenivid.training.recipe import load_recipe
from scenivid.training.run.speed import Precision
from scenivid.training.run.world import World
from scenivid.training.stylegan.gan import Gan
from scenivid.training.stylegan.realism import RealismSettings
from scenivid.training.stylegan.settings import GanSettings
from scenivid.training.translator import plan as translator_plan
from scenivid.training.translator import program
from scenivid.training.translator.program import TranslatorProgram
from scenivid.training.translator.recipe import Recipe, open_sets

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")


def unlearnt(device: torch.device, weights: Path | None = None) -> EfficientNetLite0:
    return EfficientNetLite0().requires_grad_(False).eval().to(device)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for side in ("photos", "paintings", "pairs/source", "pairs/target"):
        (folder / side).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 256, (96, 96, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / side / f"{number}.png"), pixels)
    return folder


@pytest.fixture(autouse=True)
def _fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps one state a process; other tests want theirs."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


def test_copies_of_networks_go_with_what_they_are_copies_of() -> None:
    def run() -> None:
        net = nn.Linear(64, 64)
        twin = copy.deepcopy(net)
        (net.weight + twin.weight + copy.deepcopy(net.weight)).sum().backward()

    for _ in range(20):  # what is freed twice may not show at once
        assert peak_bytes(run, CPU) >= 3 * 4 * 64 * 64


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("size", "features"), [(32, 0.0), (64, 0.0), (96, 0.0), (32, 1.0)])
def test_a_translator_s_step_takes_what_was_estimated(
    data: Path, size: int, features: float, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (program, perceptual):  # reading weights takes more than a toy step
        monkeypatch.setattr(module, "load_efficientnet", unlearnt)
    settings = [f"weights.features={features}", "features_side=80", f"weights.perceptual={features}"]
    settings += ["perceptual=efficientnet"]
    settings += [f"{name}={data / name}" for name in ("photos", "paintings", "pairs")]
    settings += [f"augment.size={size}", f"precision={precision}", "batch=2", "workers=0", "device=cpu"]
    settings += [
        "translator.width=16",
        "discriminator_width=16",
        "contrast.places=64",
        "weights.temporal=1.0",
    ]
    recipe = load_recipe(Recipe, None, settings)

    def run() -> None:
        with TranslatorProgram(recipe, open_sets(recipe)) as program:
            program.step(0)
            program.step(1)

    told = float(re.findall(r"memory: about ([\d.]+) GB", translator_plan.describe(recipe))[0]) * 1e9
    estimated = peak_bytes(lambda: translator_plan.rehearse(recipe), CPU)
    assert estimated == pytest.approx(measured(run), rel=0.2)
    assert told == pytest.approx(estimated, abs=0.005e9)


@pytest.mark.parametrize(
    ("size", "batch", "features"), [(32, 4, 0.0), (32, 4, 1.0), (32, 16, 1.0), (64, 16, 1.0)]
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_stylegan_s_step_takes_what_was_estimated(
    size: int, batch: int, features: float, precision: Precision
) -> None:
    params = StyleGAN2Params(size, 1 / 16, 64, 2)
    settings = GanSettings(batch=batch, precision=precision, features=features, features_side=80)

    def run() -> None:
        critic = FeatureCritic.unlearnt(size, 80) if features else None
        trained = Gan(Generator(params), Discriminator(params), settings, 0, World(CPU), critic)
        for _ in range(2):
            trained.discriminator_step(torch.rand(batch, 3, size, size) * 2 - 1, 0)
            trained.generator_step(0)

    estimated = peak_bytes(lambda: gan.rehearse(params, settings, RealismSettings(every=0)), CPU)
    assert estimated == pytest.approx(measured(run), rel=0.2)


@pytest.mark.parametrize(
    ("size", "features", "precision", "realism", "directional"),
    [(32, 1, "bf16", 1, 1), (64, 0, "fp32", 0, 0)],
)
def test_a_fine_tuning_takes_what_was_estimated(
    data: Path, size: int, features: int, precision: str, realism: int, directional: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for module in (stylegan, semantic, segmenters):
        monkeypatch.setattr(module, "load_efficientnet", unlearnt)
    settings = ["gan.batch=4", "gan.trained_blocks=2", "gan.frozen_d_layers=1", "workers=0"]
    settings += ["gan.augment=diffaugment", f"constraints.directional={directional}"]
    settings += [f"images={data / 'paintings'}", f"gan.features={features}", "gan.features_side=80"]
    settings += [f"gan.precision={precision}", f"realism.every={realism}", "realism.images=64"]
    settings += ["constraints.encoder=efficientnet", "constraints.perceptual_network=encoder"]
    settings += ["constraints.direction_images=16"]
    recipe = load_recipe(finetune.Recipe, None, settings)
    params = StyleGAN2Params(size, 1 / 16, 64, 2)

    def run() -> None:
        images = stylegan.open_images(recipe.images, Augment(size, 1.0, 1.0), 0, False)
        program = finetune.FinetuneProgram(
            recipe, Generator(params), Discriminator(params), images, World(CPU)
        )
        program.step(0)
        program.step(1)
        program.samples()

    estimated = peak_bytes(lambda: gan.rehearse(params, recipe.gan, recipe.realism, recipe.constraints), CPU)
    assert estimated == pytest.approx(measured(run), rel=0.1)
