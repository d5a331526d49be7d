"""ADA: its warps are exact where they can be, its draws as often as p says, R1 passes, p follows D."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.nets.stylegan2 import StyleGAN2Params
from scenivid.nets.stylegan2_discriminator import Discriminator
from scenivid.training.stylegan.ada import AdaptiveProbability, augment
from scenivid.training.stylegan.losses import r1_penalty
from scenivid.training.stylegan.resample import warp_affine

TOY = StyleGAN2Params(size=32, channel_multiplier=1 / 64, style_dim=8, mapping_layers=2)


def matrix(*entries: float) -> Tensor:
    return torch.tensor(entries, dtype=torch.float32).view(1, 2, 3)


def inside(image: Tensor) -> Tensor:
    return image[..., 8:-8, 8:-8]


def test_nothing_moved_changes_nothing_and_whole_pixels_move_exactly() -> None:
    noise = torch.rand(1, 3, 32, 40)
    still = warp_affine(noise, matrix(1, 0, 0, 0, 1, 0))
    torch.testing.assert_close(inside(still), inside(noise), atol=1e-5, rtol=0)
    moved = warp_affine(noise, matrix(1, 0, 3, 0, 1, -2))  # shows what lies 3 to the right and 2 above
    torch.testing.assert_close(inside(moved), noise[..., 6:-10, 11:-5], atol=1e-5, rtol=0)


def test_smooth_images_are_mirrored_and_turned_as_they_are_by_index() -> None:
    smooth = F.interpolate(torch.rand(1, 3, 6, 6), size=32, mode="bicubic")
    mirrored = warp_affine(smooth, matrix(-1, 0, 0, 0, 1, 0))
    # sym6 is not quite symmetric: a few hundredths remain
    torch.testing.assert_close(inside(mirrored), inside(smooth.flip(-1)), atol=0.04, rtol=0)
    turned = warp_affine(smooth, matrix(0, 1, 0, -1, 0, 0))
    torch.testing.assert_close(inside(turned), inside(smooth.rot90(-1, (2, 3))), atol=0.04, rtol=0)


def test_what_lies_beyond_the_border_is_mirrored() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32).contiguous()
    left = warp_affine(ramp, matrix(1, 0, -8, 0, 1, 0))[0, 0, 16, :8]
    torch.testing.assert_close(left, ramp[0, 0, 0, :8].flip(0), atol=0.03, rtol=0)


def test_probability_zero_changes_nothing_and_each_image_has_its_own_draws() -> None:
    image = F.interpolate(torch.rand(1, 3, 6, 6), size=32, mode="bicubic").expand(6, -1, -1, -1) * 2 - 1
    same = augment(image, torch.tensor(0.0), torch.Generator())
    torch.testing.assert_close(inside(same), inside(image), atol=1e-5, rtol=0)
    changed = augment(image, torch.tensor(1.0), torch.Generator().manual_seed(1))
    assert all(not torch.allclose(changed[0], changed[i], atol=0.05) for i in range(1, 6))
    again = augment(image, torch.tensor(1.0), torch.Generator().manual_seed(1))
    assert torch.equal(changed, again)


def test_a_share_of_the_images_near_the_probability_is_changed() -> None:
    grey = torch.full((2000, 3, 8, 8), 0.5)
    out = augment(grey, torch.tensor(0.3), torch.Generator().manual_seed(0))
    changed = ((out - 0.5).abs().amax((1, 2, 3)) > 1e-3).double().mean()
    # Grey isn't changed by geometry, hue or saturation; brightness, contrast and half of the flips change it.
    assert float(changed) == pytest.approx(1 - 0.7**2 * (1 - 0.3 / 2), abs=0.03)


def test_the_gradient_is_the_transpose_and_has_a_gradient_itself() -> None:
    def out(x: Tensor) -> Tensor:
        return augment(x, torch.tensor(0.8), torch.Generator().manual_seed(4))

    x, y = (torch.randn(2, 3, 16, 16, requires_grad=True) for _ in range(2))
    zero = out(torch.zeros_like(x)).detach()  # brightness makes it affine
    (back,) = torch.autograd.grad((out(x) * y).sum(), x, create_graph=True)
    torch.testing.assert_close((back * x).sum(), ((out(x) - zero) * y).sum(), rtol=1e-3, atol=1e-2)
    (second,) = torch.autograd.grad((back * x.detach()).sum(), y)
    torch.testing.assert_close(second, (out(x) - zero).detach(), rtol=1e-3, atol=1e-3)


def test_r1_on_augmented_images_reaches_the_discriminator() -> None:
    net = Discriminator(TOY)
    leaf = (torch.rand(4, 3, 32, 32) * 2 - 1).requires_grad_(True)
    r1_penalty(net(augment(leaf, torch.tensor(0.6), torch.Generator().manual_seed(0))), leaf).backward()
    weight = net.convs[1].conv2[1].weight
    assert weight.grad is not None and float(weight.grad.abs().sum()) > 0


def test_ada_rises_when_the_discriminator_is_sure_and_falls_when_not() -> None:
    ada = AdaptiveProbability()
    for _ in range(8):
        ada.update(torch.tensor(1.0), 10, target=0.6, images=100)
    assert float(ada.value) == pytest.approx(0.8)
    for _ in range(4):
        ada.update(torch.tensor(-1.0), 10, target=0.6, images=100)
    assert float(ada.value) == pytest.approx(0.4)
    for _ in range(40):
        ada.update(torch.tensor(-1.0), 10, target=0.6, images=100)
    assert float(ada.value) == 0.0


def test_ada_looks_at_four_batches_at_a_time() -> None:
    ada = AdaptiveProbability()
    moves = []
    for sign in (1.0, 1.0, 1.0, 0.0, -1.0):
        ada.update(torch.tensor(sign), 10, target=0.6, images=100)
        moves.append(float(ada.value))
    assert moves == pytest.approx([0, 0, 0, 0.4, 0.4])  # r is 0.75 over the four
