"""The planes' stages: they steady, forget at cuts, hand their memory over and refuse what is no number."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import scenes
import torch
from torch import Tensor

import scenivid
from scenivid.errors import InputError
from scenivid.flow.consistency import estimate_motion
from scenivid.flow.dis import Dis
from scenivid.flow.filters import enlarge
from scenivid.flow.warp import resize_flow, warp
from scenivid.temporal.plane_stages import MotionPlanes, SteadyPlanes
from scenivid.temporal.plane_tools import Maps
from scenivid.temporal.planes import PlaneMotion, Planes
from scenivid.temporal.steady import steady


def _planes(image: Tensor, whole: bool = False) -> Planes:
    """BT.709 planes of [1, 3, H, W], with chroma at half size or `whole`."""
    red, green, blue = image[0]
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    chroma = torch.stack([(blue - luma) / 1.8556, (red - luma) / 1.5748])
    if whole:
        return Planes(luma.numpy(), chroma.numpy())
    half = [-(-side // 2) for side in luma.shape]
    return Planes(luma.numpy(), torch.nn.functional.adaptive_avg_pool2d(chroma[None], half)[0].numpy())


def _shot(count: int, size: tuple[int, int] = (64, 96)) -> tuple[list[Planes], list[Planes]]:
    source = scenes.pan(count, *size, 1)
    styled = (source + 0.06 * torch.randn(count, 3, 1, 1)).clamp(0, 1)
    return [_planes(frame[None]) for frame in source], [_planes(frame[None]) for frame in styled]


def _run(source: list[Planes], styled: list[Planes], cut: int = 0) -> list[np.ndarray]:
    size = source[0].luma.shape
    motion, steadied = MotionPlanes(*size), SteadyPlanes(*size, 0.7)
    frames = []
    for t, (now, frame) in enumerate(zip(source, styled, strict=True)):
        frame = Planes(frame.luma.copy(), frame.chroma.copy())
        frames.append(steadied.step(now, frame, motion.step(now, t == cut), t == cut).luma)
    return frames


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (33, 50)])
def test_flicker_falls(size: tuple[int, int]) -> None:
    source, styled = _shot(8, size)
    out = _run(source, styled)
    pumping = np.std([frame.luma.mean() for frame in styled[4:]])
    assert np.std([frame.mean() for frame in out[4:]]) < 0.5 * pumping


def test_a_cut_forgets() -> None:
    source, styled = _shot(6)
    assert np.abs(_run(source, styled, cut=4)[4] - styled[4].luma).max() < 1e-6


def test_memory_handed_over_as_arrays_goes_on_exactly() -> None:
    source, styled = _shot(6)
    whole = _run(source, [Planes(f.luma.copy(), f.chroma.copy()) for f in styled])
    size = source[0].luma.shape
    motion, steadied = MotionPlanes(*size), SteadyPlanes(*size, 0.7)
    for t in range(6):
        if t == 3:
            kept = {name: array.copy() for name, array in steadied.state().items()}
            moved = {name: array.copy() for name, array in motion.state().items()}
            motion, steadied = MotionPlanes(*size), SteadyPlanes(*size, 0.7)
            motion.restore(moved)
            steadied.restore(kept)
        out = steadied.step(source[t], styled[t], motion.step(source[t], t == 0), t == 0)
    assert np.array_equal(out.luma, whole[-1])


def test_a_frame_that_is_no_number_is_refused_and_not_remembered() -> None:
    source, styled = _shot(3)
    motion, steadied = MotionPlanes(64, 96), SteadyPlanes(64, 96, 0.7)
    steadied.step(source[0], styled[0], motion.step(source[0], True), True)
    broken = Planes(styled[1].luma.copy(), styled[1].chroma.copy())
    broken.luma[3, 4] = np.nan
    with pytest.raises(InputError, match="luma"):
        steadied.step(source[1], broken, motion.step(source[1]), False)
    out = steadied.step(source[1], styled[1], motion.step(source[1]), False)
    assert np.isfinite(out.luma).all()


def _checks(count: int, height: int, width: int) -> Tensor:
    """Colour alone, that changes sign from pixel to pixel and from frame to frame at random."""
    generator = torch.Generator().manual_seed(2)
    signs = torch.randint(0, 2, (count, 1, height, width), generator=generator) * 2.0 - 1
    return signs * torch.tensor([1 / 0.2126, -1 / 0.7152, 0]).view(1, 3, 1, 1) * 0.02


def test_colour_finer_than_half_size_is_steadied_where_it_is_given() -> None:
    source = scenes.pan(8, 64, 96, 1) * 0.5 + 0.25
    styled = [_planes(frame[None], whole=True) for frame in source + _checks(8, 64, 96)]
    steadied, motion = SteadyPlanes(64, 96, 0.7), MotionPlanes(64, 96, "dis")
    for t in range(8):
        now = _planes(source[t : t + 1])
        plain = _planes(source[t : t + 1], whole=True).chroma
        off = np.square(styled[t].chroma - plain)[:, 8:-8, 8:-8].mean()
        out = steadied.step(now, styled[t], motion.step(now, t == 0), t == 0)
    assert np.square(out.chroma - plain)[:, 8:-8, 8:-8].mean() < 0.3 * off


def test_chroma_of_another_size_forgets() -> None:
    source, styled = _shot(2)
    steadied, motion = SteadyPlanes(64, 96, 0.7), MotionPlanes(64, 96, "dis")
    steadied.step(source[0], styled[0], motion.step(source[0], True), True)
    image = scenes.texture(64, 96)
    whole, wanted = _planes(image, whole=True), _planes(image, whole=True)
    out = steadied.step(source[1], whole, motion.step(source[1]), False)
    assert np.array_equal(out.chroma, wanted.chroma)
    assert np.array_equal(out.luma, wanted.luma)


@pytest.mark.parametrize("whole", [False, True])
def test_planes_equal_the_reference_formulas(whole: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    count, size = 12, (64, 96)
    source = scenes.pan(count, *size, 1) * torch.linspace(1, 0.9, count).view(-1, 1, 1, 1)
    styled = (source + 0.05 * torch.randn(count, 3, 1, 1, generator=generator)).clamp(0, 1)
    ink = torch.rand(count, 1, *size, generator=generator)
    motion, steadied, memory = Dis(), SteadyPlanes(*size, 0.7), None
    for t in range(count):
        now, frame = source[t : t + 1], torch.cat((styled[t : t + 1], ink[t : t + 1]), 1)
        field = estimate_motion(motion, now, source[t - 1 : t]) if t else None
        wanted, memory = steady(now, frame, memory, field, 0.7)
        planes = _planes(styled[t : t + 1], whole)
        given = None
        if field is not None:
            flow = np.ascontiguousarray(field.flow[0].permute(1, 2, 0).numpy())
            given = PlaneMotion(flow, field.confidence[0, 0].numpy())
        out = steadied.step(
            _planes(now), Planes(planes.luma, planes.chroma, ink[t, 0].numpy().copy()), given, t == 0
        )
        reference = _planes(wanted[:, :3], whole)
        assert np.abs(out.luma - reference.luma).mean() < 1 / 255
        assert np.abs(out.chroma - reference.chroma).mean() < 1 / 255
        assert out.line is not None
        assert np.abs(out.line - wanted[0, 3].numpy()).mean() < 1 / 255


@pytest.mark.parametrize("step", [(0.5, 0.5), (0.3, 0.1), (3.77, -1.21)])
def test_planes_are_moved_as_tensors_are(step: tuple[float, float]) -> None:
    image, flow = scenes.texture(64, 96, grain=4)[:, :1], torch.tensor(step).view(1, 2, 1, 1)
    flow = flow.expand(1, 2, 64, 96) + 0.05 * scenes.texture(64, 96, 3, grain=30)[:, :2]
    wanted = warp(image, flow, "cubic")[0, 0].numpy()
    maps = Maps((64, 96))
    maps.point(flow[0].contiguous().numpy())
    moved = maps.fetch_cubic(image[0, 0].numpy(), np.empty((64, 96), np.float32))
    assert np.abs(moved - wanted)[6:-6, 6:-6].max() < 0.7 / 255


@pytest.mark.parametrize("estimator", ["dis", "none"])
@pytest.mark.parametrize("size", [(64, 96), (300, 600), (20, 17)])
def test_motion_of_planes_equals_that_of_tensors(estimator: str, size: tuple[int, int]) -> None:
    source = scenes.pan(2, *size, 2) + 0.01 * torch.randn(2, 3, *size)
    grey = source.mean(dim=1, keepdim=True).clamp(0, 1).expand(-1, 3, -1, -1)  # chroma at half size aside
    wanted = estimate_motion(Dis() if estimator == "dis" else None, grey[1:], grey[:1])
    motion = MotionPlanes(*size, estimator)
    assert motion.step(_planes(grey[:1])) is None
    given = motion.step(_planes(grey[1:]))
    assert given is not None
    flow = resize_flow(torch.from_numpy(given.flow).permute(2, 0, 1)[None], size)
    assert (flow - wanted.flow).abs().mean() < 0.05
    confidence = torch.from_numpy(given.confidence)[None, None]
    assert (enlarge(confidence, size) - wanted.confidence).abs().mean() < 0.03


def test_no_filter_is_used_whose_last_bit_depends_on_where_arrays_lie() -> None:
    package = Path(scenivid.__file__).parent
    rooms = [package / room for room in ("temporal", "flow", "styles", "engine")]
    files = [path for room in rooms for path in room.rglob("*.py")]
    inexact = re.compile(r"\bcv2?\.(magnitude|cartToPolar|phase|polarToCart)\(")  # seen with OpenCV 5 and IPP
    assert [path.name for path in files if inexact.search(path.read_text())] == []
