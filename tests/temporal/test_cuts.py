"""What begins a shot and what doesn't, decided without looking ahead."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import scenes
import torch
from torch import Tensor

from scenivid.pixels import Clip, to_pixels
from scenivid.temporal.cuts import CutDetector

HEIGHT, WIDTH, LENGTH = 90, 160, 8


def _clip(frames: Tensor) -> Clip:
    return Clip(to_pixels(frames), tuple(Fraction(index, 25) for index in range(len(frames))))


def _cuts(frames: Tensor) -> list[int]:
    return [index for index, begins in enumerate(CutDetector().cuts(_clip(frames))) if begins]


def _shot(seed: int, start: int = 0, count: int = LENGTH) -> Tensor:
    """`count` frames of a slow pan, from frame `start` of it."""
    return scenes.pan(32, HEIGHT, WIDTH, 1, seed)[start : start + count]


def test_hard_cuts_are_found_exactly() -> None:
    assert _cuts(torch.cat([_shot(seed) for seed in range(4)])) == [0, 8, 16, 24]


def _faded(first: int, second: int, count: int, to: float) -> Tensor:
    """Two shots, the first fading into a plain colour and the second out of it."""
    share = torch.linspace(1, 0, count).view(-1, 1, 1, 1)
    out = _shot(first, LENGTH, count) * share + to * (1 - share)
    back = _shot(second, 0, count) * share.flip(0) + to * (1 - share.flip(0))
    return torch.cat([_shot(first), out, back, _shot(second, count)])


def test_three_cuts_and_a_fade_reset_at_the_cuts_only() -> None:
    frames = torch.cat([_shot(0), _shot(1), _shot(2), _faded(3, 4, 9, 0.0)])
    assert _cuts(frames) == [0, 8, 16, 24]


@pytest.mark.parametrize("to", [0.0, 1.0])
@pytest.mark.parametrize("count", [5, 12])
def test_fades_through_black_and_white_are_no_cuts(to: float, count: int) -> None:
    assert _cuts(_faded(5, 6, count, to)) == [0]


def test_a_dissolve_is_no_cut() -> None:
    share = torch.linspace(1, 0, 10).view(-1, 1, 1, 1)
    mixed = _shot(1, LENGTH, 10) * share + _shot(2, 0, 10) * (1 - share)
    assert _cuts(torch.cat([_shot(1), mixed, _shot(2, 10)])) == [0]


@pytest.mark.parametrize(("gain", "offset"), [(1.7, 0.1), (1.0, 1.0)])
def test_flashes_are_no_cuts(gain: float, offset: float) -> None:
    frames = _shot(3, count=16).clone()
    frames[8] = (frames[8] * gain + offset).clamp(0, 1)
    assert _cuts(frames) == [0]


@pytest.mark.parametrize("step", [8, 20])
def test_a_fast_pan_is_no_cut(step: int) -> None:
    pan = scenes.pan(8, HEIGHT, WIDTH, step, 7)
    assert _cuts(torch.cat([pan[:1].expand(4, -1, -1, -1), pan])) == [0]


def test_a_cut_from_black_is_found() -> None:
    assert _cuts(torch.cat([torch.zeros(4, 3, HEIGHT, WIDTH), _shot(2)])) == [0, 4]


def test_clips_of_any_length_and_depth_give_the_same_cuts() -> None:
    frames = torch.cat([_shot(0), _shot(1)])
    whole = CutDetector().cuts(_clip(frames))
    detector = CutDetector()
    parts = [begins for part in frames.split(3) for begins in detector.cuts(_clip(part))]
    assert parts == whole
    deep = Clip(to_pixels(frames, torch.uint16), _clip(frames).pts)
    assert CutDetector().cuts(deep) == whole


def test_real_footage_holds_no_cuts_and_its_joints_are_found(shared: Path) -> None:
    import av

    shots = []
    for name in ("flower.mp4", "stream-of-water.mp4", "friday.mp4"):
        with av.open(str(shared / "videos" / name)) as container:
            shot = [
                frame.reformat(240, 136, format="rgb24").to_ndarray()
                for frame, _ in zip(container.decode(video=0), range(12), strict=False)
            ]
        shots.append(torch.stack([torch.from_numpy(frame) for frame in shot]).permute(0, 3, 1, 2) / 255)
    assert _cuts(torch.cat(shots)) == [0, 12, 24]
