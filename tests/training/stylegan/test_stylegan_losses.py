"""StyleGAN2's losses against closed forms, finite differences and numpy; DiffAugment."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor

from scenivid.errors import DataError
from scenivid.nets.stylegan2 import Generator, StyleGAN2Params
from scenivid.nets.stylegan2_discriminator import Discriminator
from scenivid.perception.distances import frechet_distance
from scenivid.training.stylegan.diffaugment import diff_augment
from scenivid.training.stylegan.losses import (
    discriminator_loss,
    generator_loss,
    mix_styles,
    path_lengths,
    path_penalty,
    r1_penalty,
)

TOY = StyleGAN2Params(size=32, channel_multiplier=1 / 64, style_dim=8, mapping_layers=2)


def test_adversarial_losses_are_the_logistic_ones() -> None:
    real, fake = np.array([0.3, -2.0]), np.array([1.5, 0.1])

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    expected = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    assert float(discriminator_loss(torch.tensor(real), torch.tensor(fake))) == pytest.approx(expected)
    assert float(generator_loss(torch.tensor(fake))) == pytest.approx(-np.log(sigmoid(fake)).mean())


def test_r1_of_a_quadratic_is_the_squared_norm() -> None:
    images = torch.randn(3, 3, 4, 4, requires_grad=True)  # D(x) = |x|²/2 has the gradient x
    logits = images.square().sum(dim=(1, 2, 3)) / 2
    expected = images.detach().numpy().reshape(3, -1)
    penalty = r1_penalty(logits, images).detach()
    assert float(penalty) == pytest.approx(float((expected**2).sum(1).mean()), rel=1e-5)


def test_r1_reaches_the_weights_of_the_real_discriminator() -> None:
    discriminator = Discriminator(TOY).double()
    images = torch.randn(2, 3, 32, 32).double()

    def penalty() -> Tensor:
        leaf = images.clone().requires_grad_(True)
        return r1_penalty(discriminator(leaf), leaf)

    weight = discriminator.convs[1].conv2[1].weight
    (gradient,) = torch.autograd.grad(penalty(), weight)
    direction, step = torch.randn_like(weight), 1e-4
    with torch.no_grad():
        weight += step * direction
    above = penalty().item()
    with torch.no_grad():
        weight -= 2 * step * direction
    slope = (above - penalty().item()) / (2 * step)
    # The leaky ReLU's kinks and the step leave a small error.
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_path_lengths_of_a_linear_generator_are_those_of_its_matrix() -> None:
    matrix, w = torch.randn(48, 8).double(), torch.randn(5, 2, 4).double().requires_grad_(True)
    images = (w.flatten(1) @ matrix.T).view(5, 3, 4, 4)
    y = torch.randn(5, 3, 4, 4).double()
    gradient = (y.flatten(1) @ matrix / 4).view(5, 2, 4)  # √(H·W) = 4
    expected = gradient.square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(path_lengths(images, w, y).detach(), expected)


def test_path_penalty_pulls_lengths_to_their_moving_mean() -> None:
    penalty, moved = path_penalty(torch.tensor([1.0, 3.0]), torch.tensor(1.0), decay=0.5)
    assert float(moved) == 1.5
    assert float(penalty) == pytest.approx((0.5**2 + 1.5**2) / 2)


def test_path_penalty_differentiates_through_the_real_generator() -> None:
    generator = Generator(TOY)
    w = generator.style(torch.randn(2, 8))[:, None].expand(-1, TOY.latents, -1)
    images = generator(w, generator.make_noise(2))
    penalty, _ = path_penalty(path_lengths(images, w, torch.randn_like(images)), torch.zeros(()))
    penalty.backward()
    weights = [generator.style[1].weight, generator.conv1.conv.weight]
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)


def test_style_mixing_switches_at_the_crossover() -> None:
    first, second = torch.zeros(2, 3), torch.ones(2, 3)
    mixed = mix_styles(first, second, 4, 10)
    assert mixed.shape == (2, 10, 3)
    assert not mixed[:, :4].any() and bool((mixed[:, 4:] == 1).all())


def test_augmentation_with_probability_zero_changes_nothing() -> None:
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(diff_augment(images, torch.tensor(0.0), torch.Generator()), images)


def test_augmentation_changes_every_sample_differently_and_passes_gradients() -> None:
    image = (torch.rand(1, 3, 16, 16) * 2 - 1).expand(4, -1, -1, -1).clone().requires_grad_(True)
    out = diff_augment(image, torch.tensor(1.0), torch.Generator().manual_seed(1))
    assert out.shape == image.shape
    assert all(not torch.allclose(out[0], out[i]) for i in range(1, 4))
    out.sum().backward()
    assert image.grad is not None and bool((image.grad.flatten(1).abs().sum(1) > 0).all())
    again = diff_augment(image, torch.tensor(1.0), torch.Generator().manual_seed(1))
    assert torch.equal(out, again)


def test_cutout_leaves_three_quarters_at_least() -> None:
    out = diff_augment(torch.ones(16, 3, 32, 32), torch.tensor(1.0), torch.Generator().manual_seed(0))
    # Half the side is a quarter of the area; the translation brings in at most 1 − (7/8)² more.
    zero = (out == 0).all(dim=1).float().mean(dim=(1, 2))
    assert float(zero.max()) <= 0.25 + 1 - (7 / 8) ** 2 + 1e-6
    assert float(zero.mean()) > 0.05


@pytest.mark.parametrize(("n", "m"), [(200, 150), (5, 7), (200, 6)])
def test_frechet_distance_equals_the_formula_with_a_matrix_root(n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, 12)), rng.normal(1, 2, size=(m, 12)) @ rng.normal(size=(12, 12))
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(sum(covariances) - 2 * root)
    # sqrtm is ill-conditioned where the covariances are singular, hence the tolerance.
    assert frechet_distance(torch.tensor(a), torch.tensor(b)) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_of_a_set_from_itself_is_zero_and_one_image_is_an_error() -> None:
    features = torch.randn(40, 8)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    with pytest.raises(DataError, match="two images"):
        frechet_distance(features[:1], features)
