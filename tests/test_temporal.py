"""What `steady` promises: nothing at 0, no flicker, no ghosts, no drift, no blur."""

from __future__ import annotations

from itertools import pairwise

import pytest
import scenes
import torch
from torch import Tensor

from scenivid.flow.consistency import estimate_motion
from scenivid.flow.dis import Dis
from scenivid.flow.filters import mean3
from scenivid.temporal import DEFAULT_CONSISTENCY, Memory, steady


def _run(source: Tensor, styled: Tensor, consistency: float = DEFAULT_CONSISTENCY) -> Tensor:
    """Steady a whole shot with DIS."""
    memory: Memory | None = None
    frames = []
    estimator = Dis()
    for t in range(len(source)):
        now = source[t : t + 1]
        motion = estimate_motion(estimator, now, source[t - 1 : t]) if t else None
        frame, memory = steady(now, styled[t : t + 1], memory, motion, consistency)
        frames.append(frame)
    return torch.cat(frames)


def _flickering(source: Tensor, seed: int = 5) -> Tensor:
    """A style that pumps: each frame its own gain for each channel, and its own fine texture."""
    generator = torch.Generator().manual_seed(seed)
    gain = 1 + 0.05 * torch.randn(len(source), 3, 1, 1, generator=generator)
    grain = mean3(0.1 * torch.randn(len(source), 1, *source.shape[-2:], generator=generator))
    return (0.15 + 0.6 * source * gain + grain).clamp(0, 1)


def _sharpness(frames: Tensor) -> Tensor:
    return frames.diff(dim=-1).abs().mean(dim=(1, 2, 3)) + frames.diff(dim=-2).abs().mean(dim=(1, 2, 3))


def _change(frames: Tensor) -> Tensor:
    return frames.diff(dim=0).square().mean(dim=(1, 2, 3))


def test_consistency_zero_is_per_frame_bit_for_bit(device: torch.device) -> None:
    source = scenes.pan(4, 50, 70, 2).to(device)
    styled = _flickering(source.cpu()).to(device)
    assert torch.equal(_run(source, styled, 0.0), styled)


def test_the_first_frame_of_a_shot_is_itself() -> None:
    source = scenes.texture(40, 60)
    styled = _flickering(source)
    frame, memory = steady(source, styled, None, None, 1.0)
    assert torch.equal(frame, styled)
    assert memory.output.shape == (1, 3, 40, 60)


def test_a_frozen_source_freezes_the_output(device: torch.device) -> None:
    source = scenes.pan(3, 60, 80, 2)
    source = torch.cat([source, source[-1:].expand(4, -1, -1, -1)]).to(device)
    out = _run(source, _flickering(source.cpu()).to(device))
    assert all(torch.equal(frame, out[2]) for frame in out[3:])
    assert not torch.equal(out[1], out[2])


def test_still_areas_become_still_under_sensor_noise() -> None:
    generator = torch.Generator().manual_seed(2)
    scene = scenes.texture(72, 96).expand(24, -1, -1, -1)
    source = (scene + 0.006 * torch.randn(scene.shape, generator=generator)).clamp(0, 1)
    styled = _flickering(source)
    out = _run(source, styled)
    assert _change(out)[12:].mean() < 0.03 * _change(styled)[12:].mean()


def _pan_error(frames: Tensor, step: int) -> float:
    """Mean square difference of neighbours along the true motion, after the first frames."""
    return float((frames[1:, ..., :-step] - frames[:-1, ..., step:])[3:].square().mean())


def test_flicker_on_a_moving_camera_falls_to_a_tenth_and_sharpness_stays() -> None:
    source = scenes.pan(20, 80, 120, 2)
    styled = _flickering(source)
    out = _run(source, styled)
    assert _pan_error(out, 2) < 0.1 * _pan_error(styled, 2)
    ratio = _sharpness(out[4:]).mean() / _sharpness(styled[4:]).mean()
    assert 0.97 < ratio < 1.03


def test_more_consistency_is_less_flicker() -> None:
    source = scenes.pan(12, 60, 90, 1)
    styled = _flickering(source)
    errors = [_pan_error(_run(source, styled, dial), 1) for dial in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    assert all(more > less for more, less in pairwise(errors))


def test_no_ghost_trails_behind_a_moving_object(device: torch.device) -> None:
    source, masks = scenes.square(14, 96, 160, side=40, step=6)
    generator = torch.Generator().manual_seed(4)
    source = (source + 0.006 * torch.randn(source.shape, generator=generator)).clamp(0, 1)
    out = _run(source.to(device), source.to(device)).cpu()
    trail = masks[:-1] & ~masks[1:]  # uncovered at frame t + 1
    contrast = (source[:-1] - source[1:]).abs().mean(dim=1, keepdim=True)[trail].mean()
    for later in (1, 2, 3):  # frames after the object left
        error = (out - source)[later:].abs().mean(dim=1, keepdim=True)
        assert error[trail[: len(error)]].mean() < 0.06 * contrast
    assert (out - source).abs().mean() < 0.01


def test_a_change_of_light_is_followed_within_a_frame() -> None:
    scene = scenes.texture(60, 90).expand(30, -1, -1, -1)
    light = torch.ones(30, 1, 1, 1)
    light[10:20, 0, 0, 0] = torch.linspace(1, 0.4, 10)
    light[20:] = 0.4
    light[25:] = 0.8
    source = (scene * light + 0.004 * torch.randn(scene.shape)).clamp(0, 1)
    behind = (_run(source, source) - source).mean(dim=(1, 2, 3)).abs()
    step = (source[10] - source[11]).mean().abs()
    assert behind.max() < 0.8 * step
    assert behind[20:].max() < 1 / 255


@pytest.mark.parametrize("count", [120, pytest.param(600, marks=pytest.mark.slow)])
def test_a_long_still_shot_neither_drifts_nor_blurs(count: int) -> None:
    generator = torch.Generator().manual_seed(8)
    scene = scenes.texture(48, 64, grain=4)
    noise = 0.004 * torch.randn(count, 3, 48, 64, generator=generator)
    source = (scene.expand(count, -1, -1, -1) + noise).clamp(0, 1)
    styled = _flickering(source)
    out = _run(source, styled)
    late = slice(count // 6, None)
    drift = out[late].mean(dim=(0, 2, 3)) - styled[late].mean(dim=(0, 2, 3))
    assert drift.abs().max() < 0.5 / 255
    sharpness = _sharpness(out)
    assert sharpness[-5:].mean() > 0.97 * sharpness[10]
    assert 0.97 < sharpness[-20:].mean() / _sharpness(styled[-20:]).mean() < 1.06


def test_a_long_pan_stays_sharp() -> None:
    source = scenes.texture(64, 96 + 200, grain=4)
    shifts = torch.arange(100) * 1.5  # every other step falls between pixels
    frames = torch.cat([_shift(source, float(shift), 96) for shift in shifts])
    styled = _flickering(frames)
    sharpness = _sharpness(_run(frames, styled)) / _sharpness(styled)
    assert 0.97 < sharpness[-10:].mean() < 1.03


def _shift(scene: Tensor, left: float, width: int) -> Tensor:
    whole, part = int(left), left - int(left)
    return torch.lerp(scene[..., whole : whole + width], scene[..., whole + 1 : whole + 1 + width], part)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 9), (33, 250)])
def test_any_size_and_half_precision_keep_shape_and_type(size: tuple[int, int], device: torch.device) -> None:
    source = torch.rand(3, 3, *size, device=device)
    styled = torch.rand(3, 3, *size, device=device).to(torch.bfloat16)
    out = _run(source, styled, 0.9)
    assert out.shape == styled.shape and out.dtype is torch.bfloat16
    assert out.float().isfinite().all() and out.min() >= 0 and out.max() <= 1


def test_without_motion_nothing_is_taken_to_move() -> None:
    source = scenes.texture(40, 60).expand(2, -1, -1, -1) + 0.002 * torch.rand(2, 3, 40, 60)
    styled = _flickering(source)
    _, memory = steady(source[:1], styled[:1], None, None, 0.9)
    given, _ = steady(source[1:], styled[1:], memory, estimate_motion(None, source[1:], source[:1]), 0.9)
    default, _ = steady(source[1:], styled[1:], memory, None, 0.9)
    assert torch.equal(given, default)
    assert (default - styled[:1]).square().mean() < (default - styled[1:]).square().mean()
