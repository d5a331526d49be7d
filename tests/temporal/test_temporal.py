"""What `steady` promises: nothing at 0, no flicker, no ghosts, no drift, no blur."""

from __future__ import annotations

from itertools import pairwise

import pytest
import scenes
import torch
from torch import Tensor

from scenivid.errors import InputError
from scenivid.flow.consistency import Motion, estimate_motion
from scenivid.flow.dis import Dis
from scenivid.flow.filters import mean3
from scenivid.flow.warp import warp
from scenivid.temporal.steady import DEFAULT_CONSISTENCY, Memory, check_styled, rates, steady


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


def _detail(frames: Tensor, source: Tensor) -> Tensor:
    """How strongly gradients follow the source's, over the style's 0.6: grain has no share in it."""
    product = sum((frames.diff(dim=dim) * source.diff(dim=dim)).sum(dim=(1, 2, 3)) for dim in (-1, -2))
    square = sum(source.diff(dim=dim).square().sum(dim=(1, 2, 3)) for dim in (-1, -2))
    return product / square / 0.6


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
    assert 0.95 < _detail(out[4:], source[4:]).mean() < 1.05


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
    detail = _detail(out, scene.expand(count, -1, -1, -1))
    assert detail[-5:].mean() > 0.97 * detail[10]
    assert 0.97 < detail[-20:].mean() < 1.05


def test_a_long_pan_stays_sharp() -> None:
    source = scenes.texture(64, 96 + 200, grain=4)
    shifts = torch.arange(100) * 1.5  # every other step falls between pixels
    frames = torch.cat([_shift(source, float(shift), 96) for shift in shifts])
    styled = _flickering(frames)
    assert 0.95 < _detail(_run(frames, styled)[-10:], frames[-10:]).mean() < 1.05


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
    source = scenes.texture(40, 60).expand(4, -1, -1, -1) + 0.002 * torch.rand(4, 3, 40, 60)
    styled = _flickering(source)
    memories: list[Memory | None] = [None, None]
    for t in range(4):
        now, before = source[t : t + 1], source[t - 1 : t]
        still = estimate_motion(None, now, before) if t else None
        given, memories[0] = steady(now, styled[t : t + 1], memories[0], still, 0.9)
        default, memories[1] = steady(now, styled[t : t + 1], memories[1], None, 0.9)
    assert torch.equal(given, default)
    assert (default - styled.mean(dim=0)).square().mean() < 0.3 * (default - styled[3:]).square().mean()


def _exact_pan(count: int, step_px: tuple[float, float]) -> tuple[Tensor, list[Motion]]:
    """A camera that moves by fractions of a pixel over a smooth scene, and its exact motion."""
    scene = scenes.texture(120, 160, grain=6)
    frames = []
    for t in range(count):
        flow = torch.tensor([step_px[0] * t, step_px[1] * t]).view(1, 2, 1, 1).expand(1, 2, 120, 160)
        frames.append(warp(scene, flow, "bicubic")[..., :64, :96].clamp(0, 1))
    back = torch.tensor(step_px).view(1, 2, 1, 1).expand(1, 2, 64, 96)
    return torch.cat(frames), [Motion(back, torch.ones(1, 1, 64, 96))] * count


@pytest.mark.parametrize("dial", [0.7, 1.0])
@pytest.mark.parametrize("step_px", [(0.3, 0.1), (0.12, 0.0)])
def test_a_slow_pan_over_a_perfect_input_stays_near_it(dial: float, step_px: tuple[float, float]) -> None:
    source, motion = _exact_pan(120, step_px)
    memory = None
    for t in range(120):
        now = source[t : t + 1]
        out, memory = steady(now, now, memory, motion[t], dial)
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    assert -10 * torch.log10((out - now)[inside].square().mean()) > 38


@pytest.mark.parametrize("step", [(1.01, 1.0, 0.99), (0.99, 0.99, 0.99)])
def test_light_that_changes_slowly_is_followed_while_flicker_falls(step: tuple[float, ...]) -> None:
    count = 30
    light = torch.tensor(step).view(1, 3, 1, 1) ** torch.arange(count).view(-1, 1, 1, 1)
    noise = 0.004 * torch.randn(count, 3, 64, 96)
    source = (0.1 + 0.6 * scenes.texture(64, 96).expand(count, -1, -1, -1)) * light + noise
    lag = (_run(source, source) - source).mean(dim=(2, 3)).abs().max()
    assert lag < 2.5 / 255
    styled = _flickering(source)
    clean = 0.15 + 0.6 * source
    kept = (_run(source, styled) - clean)[10:].square().mean() / (styled - clean)[10:].square().mean()
    assert kept < 0.3


def test_the_dial_goes_on_to_its_end() -> None:
    dials = [index / 20 for index in range(21)]
    for one, other in pairwise(map(rates, dials)):
        assert other[0] < 0.97 * one[0] and other[1] < 0.97 * one[1]
    assert rates(0) == (1, 1)


def test_a_boiling_line_is_steadied_and_stays_dark() -> None:
    source = scenes.texture(64, 96).expand(20, -1, -1, -1) + 0.003 * torch.randn(20, 3, 64, 96)
    line = torch.zeros(20, 1, 64, 96)
    line[..., 30:32, :] = 1
    boiling = (line * (0.8 + 0.4 * torch.rand(20, 1, 64, 96))).clamp(0, 1)
    out = _run(source, torch.cat((source, boiling), 1))
    assert out.shape == (20, 4, 64, 96)
    assert _change(out[10:, 3:]).mean() < 0.1 * _change(boiling[10:]).mean()
    assert out[15:, 3, 30:32].mean() > 0.95 * boiling[15:, 0, 30:32].mean()


def test_what_is_no_number_is_refused_before_it_is_remembered() -> None:
    styled = torch.rand(1, 3, 20, 30)
    check_styled(styled)
    styled[0, 1, 3, 4] = torch.inf
    with pytest.raises(InputError, match="no numbers"):
        check_styled(styled)
