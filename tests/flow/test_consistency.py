"""Motion and its confidence on scenes whose motion is known."""

from __future__ import annotations

import scenes
import torch

from scenivid.flow.consistency import estimate_motion, likeness, noise_level, settle, working_size
from scenivid.flow.dis import Dis
from scenivid.flow.warp import warp


def test_motion_brings_the_previous_frame_onto_the_current_one(device: torch.device) -> None:
    frames = scenes.pan(4, 90, 140, step=2).to(device)
    motion = estimate_motion(Dis(), frames[1:], frames[:-1])
    assert motion.flow.shape == (3, 2, 90, 140) and motion.confidence.shape == (3, 1, 90, 140)
    moved = warp(frames[:-1], motion.flow)
    inner = (..., slice(8, -8), slice(8, -12))
    assert (moved - frames[1:])[inner].abs().mean() < 0.2 * (frames[:-1] - frames[1:])[inner].abs().mean()
    assert motion.confidence[inner].mean() > 0.9
    assert motion.at(1).flow.equal(motion.flow[1:2])


def test_flow_searched_at_a_reduced_size_is_in_full_size_pixels() -> None:
    frames = scenes.pan(2, 300, 1100, step=6)
    assert working_size(300, 1100, Dis.long_side) == (105, 384)
    flow = estimate_motion(Dis(), frames[1:], frames[:1]).flow[..., 30:-30, 60:-60]
    assert flow.shape[-1] == 980
    assert abs(float(flow[:, 0].mean()) - 6) < 0.2
    assert float(flow[:, 1].abs().mean()) < 0.2


def test_uncovered_background_and_what_enters_the_frame_are_not_trusted() -> None:
    frames, masks = scenes.square(2, 96, 160, side=40, step=8)
    motion = estimate_motion(Dis(), frames[1:], frames[:1])
    uncovered = masks[:1] & ~masks[1:]
    assert motion.confidence[uncovered].mean() < 0.2
    pan = scenes.pan(2, 90, 140, step=8)
    entering = estimate_motion(Dis(), pan[1:], pan[:1]).confidence[..., -6:]
    assert entering.mean() < 0.3


def test_sensor_noise_costs_no_confidence_and_still_scenes_do_not_move() -> None:
    generator = torch.Generator().manual_seed(3)
    scene = scenes.texture(96, 128)
    frames = (scene + 0.015 * torch.randn(2, 3, 96, 128, generator=generator)).clamp(0, 1)
    motion = estimate_motion(Dis(), frames[1:], frames[:1])
    assert motion.confidence.mean() > 0.8
    assert (motion.flow == 0).float().mean() > 0.6
    exact = estimate_motion(Dis(), scene, scene)
    assert exact.flow.abs().max() == 0


def test_without_an_estimator_nothing_moves_and_only_what_is_alike_is_trusted() -> None:
    frames, masks = scenes.square(2, 96, 160, side=40, step=8)
    motion = estimate_motion(None, frames[1:], frames[:1])
    assert motion.flow.abs().max() == 0
    assert motion.confidence[masks[:1] ^ masks[1:]].mean() < 0.2
    assert motion.confidence[~(masks[:1] | masks[1:])].mean() > 0.8


def test_settle_zeroes_noise_and_leaves_motion() -> None:
    flow = torch.tensor([0.05, 0.0, 0.3, 0.0]).view(2, 2, 1, 1)
    out = settle(flow, 0.1)
    assert out[0].abs().max() == 0 and torch.equal(out[1], flow[1])


def test_a_change_of_light_is_not_taken_for_noise() -> None:
    scene = scenes.texture(64, 64) * 0.8
    assert likeness(scene, scene, 0.4).min() == 1
    assert likeness(scene + 0.1, scene, 0.0).mean() < 0.1


def test_noise_level_measures_gaussian_noise() -> None:
    noise = 0.01 * torch.randn(1, 1, 400, 400, generator=torch.Generator().manual_seed(0))
    assert abs(float(noise_level(noise)) / float(noise.abs().mean()) - 1) < 0.15
