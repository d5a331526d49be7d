"""The way over tensors, as CUDA has it, run on the CPU: what would make the host wait for the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
import torch
from scenes import pan
from small_runs import Failing
from torch.utils._python_dispatch import TorchDispatchMode

from scenivid.engine import StylizeSettings
from scenivid.engine.chain import Chain
from scenivid.engine.stages import Stopwatch
from scenivid.pixels import Clip, to_pixels

WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "lift_fresh", "equal", "unique")
"""Operations of ATen that bring a value to the host, or copy one from ordinary memory to the device."""


class Waits(TorchDispatchMode):
    """Counts what would wait, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITING or (name == "index" and any(_is_mask(index) for index in args[1])):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def _is_mask(index: Any) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)


def _clips(count: int, size: tuple[int, int], batch: int) -> list[Clip]:
    pixels = to_pixels(pan(count, *size, 2))
    pts = [Fraction(index, 25) for index in range(count)]
    return [Clip(pixels[at : at + batch], tuple(pts[at : at + batch])) for at in range(0, count, batch)]


@pytest.mark.parametrize("flow", ["none", "raft-small"])
def test_the_host_waits_once_a_batch(style: str, flow: str) -> None:
    settings = StylizeSettings(style=style, flow=flow, precision="fp32", batch=2, device="cpu")
    size = (128, 144)
    chain = Chain.build(settings, "cpu", None, size, torch.uint8, [], tensors=True)
    waits: dict[str, list[str]] = {}

    def watched(stage: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
        calls = 0

        def run(batch: Any) -> Any:
            nonlocal calls
            calls += 1
            with Waits() as seen:
                done = stage(batch)
            if calls == 2:  # constants are copied at the first call
                waits[name] = seen.seen
            return done

        return run

    parts: Any = chain.parts(_clips(4, size, 2))
    for stage in chain.stages:
        parts = map(watched(stage, stage.name), parts)
    assert sum(len(part.source) for part in parts) == 4
    assert waits == {"flow": [], "translate": ["is_nonzero"], "steady": [], "finish": []}


class _Lined(Failing):
    """A style that changes contrast and draws lines where it is dark."""

    ink = 0.8

    def translate(
        self, image: torch.Tensor, cuts: Sequence[bool], state: None, tile: int | None
    ) -> tuple[torch.Tensor, None]:
        return torch.cat([image.pow(0.8), (image.mean(1, keepdim=True) < 0.4).float()], 1), None


def test_lines_are_steadied_and_drawn_at_full_size() -> None:
    settings = StylizeSettings(flow="none", paint=64)
    y, x, t = torch.meshgrid(torch.arange(128), torch.arange(192), torch.arange(3), indexing="ij")
    bands = (127 + 90 * torch.sin((x + 2 * y + 5 * t) / 15)).to(torch.uint8)
    pts = tuple(Fraction(index, 25) for index in range(3))
    clips = [Clip(bands.permute(2, 0, 1)[:, None].repeat(1, 3, 1, 1), pts)]
    results = []
    for tensors in (True, False):
        style: Any = _Lined(RuntimeError())
        chain = Chain.build(settings, "cpu", style, (128, 192), torch.uint8, [], tensors=tensors)
        source = clips if tensors else [clips[0].part(index, index + 1) for index in range(3)]
        with chain.running(chain.parts(source), Stopwatch()) as parts:
            results.append(torch.cat([part.source.pixels for part in parts]).float())
    assert (results[0] - results[1]).abs().mean() < 1.5
    drawn = (clips[0].pixels.float().mean(1) < 60).float()  # well inside of lines
    assert (results[0].mean(1) * drawn).sum() / drawn.sum() < 40
