"""Training steps on every device there is; on a GPU, without waiting for it."""

from __future__ import annotations

import pytest
import torch

from scenivid.nets.stylegan2 import Generator, StyleGAN2Params
from scenivid.nets.stylegan2_discriminator import Discriminator
from scenivid.training.losses.contrastive import draw_places
from scenivid.training.losses.temporal import MotionSettings, draw_motion, synthesise
from scenivid.training.run.speed import Precision
from scenivid.training.run.world import World
from scenivid.training.stylegan.gan import Gan
from scenivid.training.stylegan.settings import GanSettings

TOY = StyleGAN2Params(size=32, channel_multiplier=1 / 64, style_dim=8, mapping_layers=2)


def toy(device: torch.device, precision: Precision, augment: str) -> Gan:
    settings = GanSettings(batch=4, augment=augment, precision=precision, r1_every=1, path_every=1)
    return Gan(Generator(TOY), Discriminator(TOY), settings, 0, World(device))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("augment", ["ada", "diffaugment", "adaptive-diffaugment"])
def test_a_gan_takes_steps(device: torch.device, precision: Precision, augment: str) -> None:
    gan = toy(device, precision, augment)
    real = torch.rand(4, 3, 32, 32, device=device) * 2 - 1
    for index in range(2):
        told = gan.discriminator_step(real, index) | gan.generator_step(index)
    assert {"r1", "path", "d_loss", "g_loss"} <= told.keys()
    assert all(bool(value.isfinite()) for value in told.values())
    assert all(bool(weight.isfinite().all()) for weight in (*gan.g.parameters(), *gan.d.parameters()))


def test_places_and_motion_are_drawn_where_they_are_used(device: torch.device) -> None:
    (places,) = draw_places([torch.zeros(2, 4, 8, 8, device=device)], 16, (0, 1), 0)
    assert places.device.type == device.type and places.shape == (2, 16)
    assert all(len(row.unique()) == 16 for row in places)
    photo = torch.rand(2, 3, 32, 32, device=device)
    motion = draw_motion(photo.shape, MotionSettings(), (0, 1), 0, device)
    assert motion.flow.device.type == motion.noise.device.type == device.type
    assert synthesise(photo, motion).shape == photo.shape


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_of_a_gan_never_waits_for_the_gpu() -> None:
    gan = toy(torch.device("cuda"), "bf16", "ada")
    real = torch.rand(4, 3, 32, 32, device="cuda") * 2 - 1
    gan.discriminator_step(real, 0)
    gan.generator_step(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        gan.discriminator_step(real, 1)
        gan.generator_step(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
