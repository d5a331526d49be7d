"""The steadiness loss: nothing for what moves with the picture, something for what doesn't."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.training.losses.temporal import (
    MotionSettings,
    draw_motion,
    steadiness,
    synthesise,
    visibility,
)
from scenivid.training.run.random_state import generator

STILL = MotionSettings(shift=0, turn=0, scale=0, bend=0, noise=0)


def picture(count: int = 2) -> Tensor:
    coarse = torch.rand(count, 3, 5, 6, generator=generator(0))
    return F.interpolate(coarse, size=(40, 48), mode="bicubic", align_corners=False).clamp(0, 1)


def test_a_still_picture_and_a_pointwise_style_cost_nothing() -> None:
    x = picture()
    motion = draw_motion(x.shape, STILL, (0,), 0)
    assert motion.flow.abs().max() < 1e-5 and bool(motion.visible.all())
    torch.testing.assert_close(synthesise(x, motion), x, atol=1e-4, rtol=0)
    assert float(steadiness(1 - synthesise(x, motion), 1 - x, motion)) < 1e-4


def test_what_moves_along_costs_little_and_what_stays_costs_much() -> None:
    x = picture()
    motion = draw_motion(x.shape, MotionSettings(noise=0), (1,), 0)
    moved = synthesise(x, motion)
    screen = torch.rand(1, 3, 40, 48) * 0.2  # a pattern glued to the screen
    along = float(steadiness(1 - moved, 1 - x, motion))
    glued = float(steadiness(1 - moved + screen, 1 - x + screen, motion))
    assert along < 0.003 and glued > 10 * along


def test_gradients_reach_both_sides() -> None:
    x = picture(1)
    motion = draw_motion(x.shape, MotionSettings(), (1,), 0)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    steadiness(a, b, motion).backward()
    assert a.grad is not None and b.grad is not None and b.grad.abs().sum() > 0


def test_what_comes_from_outside_or_is_folded_is_not_compared() -> None:
    right = torch.zeros(1, 2, 10, 10)
    right[:, 0] = 3.0
    assert torch.equal(visibility(right)[0, 0, 0], torch.tensor([1.0] * 7 + [0.0] * 3))
    fold = torch.zeros(1, 2, 10, 10)
    fold[:, 0] = -1.5 * torch.arange(10.0)  # the picture runs backwards
    assert float(visibility(fold).sum()) == 0


def test_a_motion_depends_on_its_key_and_the_image_number() -> None:
    shape = (3, 3, 16, 24)
    joint = draw_motion(shape, MotionSettings(), (4,), 0)
    last = draw_motion((1, 3, 16, 24), MotionSettings(), (4,), 2)
    assert torch.equal(joint.flow[2:], last.flow) and torch.equal(joint.noise[2:], last.noise)
    assert not torch.equal(joint.flow[0], joint.flow[1])


def test_motions_are_like_those_of_near_frames() -> None:
    motion = draw_motion((20, 3, 64, 64), MotionSettings(), (0,), 0)
    length = motion.flow.square().sum(1).sqrt()
    assert 0.3 < float(length.mean()) < 4 and float(motion.visible.mean()) > 0.9
    with pytest.raises(ConfigError):
        MotionSettings(scale=1.0)
