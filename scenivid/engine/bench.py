"""How fast each stage is on this machine: medians, with sizes and thread counts beside them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from scenivid.flow.consistency import estimate_motion
from scenivid.flow.estimators import open_estimator
from scenivid.styles.stylizer import Stylizer
from scenivid.styles.zoo import load_style
from scenivid.temporal import DEFAULT_CONSISTENCY, steady
from scenivid.video.open import open_video

SIZES = ((540, 960), (1080, 1920))
"""Height and width in pixels."""


@dataclass(frozen=True)
class Timing:
    """One measurement."""

    stage: str
    what: str
    size: str
    """WIDTHxHEIGHT."""
    ms_per_frame: float
    """Median over the repeats."""


def bench(
    style: str, device: torch.device, precision: str, repeats: int, clip: Path | None = None
) -> Iterator[Timing]:
    """Time translate, flow and steady at two sizes, and decoding of `clip` where one is given.

    Args:
        style: NAME or FILE, as for `stylize`.
        repeats: timed runs of each, after one that isn't timed.
    """
    if clip is not None:
        for decoder in ("decord", "pyav"):
            yield _decoding(clip, decoder)
    stylizer = load_style(style, device, precision)
    for height, width in SIZES:
        frame = _picture(height, width).to(device)
        with torch.inference_mode():
            for stage, what, call in _calls(stylizer, frame, device):
                yield Timing(stage, what, f"{width}x{height}", _median(call, device, repeats))


def _calls(
    stylizer: Stylizer, frame: Tensor, device: torch.device
) -> list[tuple[str, str, Callable[[], object]]]:
    """Stage, what is timed, and the call."""
    moved = frame.roll((2, 3), (2, 3))
    estimators = [open_estimator(name, device) for name in ("dis", "raft-small")]
    motion = estimate_motion(estimators[0], moved, frame)
    _, memory = steady(frame, frame, None, None, DEFAULT_CONSISTENCY)
    flows: list[tuple[str, str, Callable[[], object]]] = [
        ("flow", f"{one.name}, both ways", partial(estimate_motion, one, moved, frame))
        for one in estimators
        if one
    ]
    return [
        ("translate", stylizer.card.name, lambda: stylizer.translate(moved, [True], None, None)),
        *flows,
        (
            "steady",
            f"consistency {DEFAULT_CONSISTENCY}",
            lambda: steady(moved, moved, memory, motion, DEFAULT_CONSISTENCY),
        ),
    ]


def _decoding(clip: Path, decoder: str) -> Timing:
    began, frames = time.perf_counter(), 0
    with open_video(clip, decoder) as reader:
        for part in reader.clips(8):
            frames += len(part)
        size = f"{reader.info.width}x{reader.info.height}"
    return Timing("decode", decoder, size, 1000 * (time.perf_counter() - began) / max(frames, 1))


def _median(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    wait = torch.cuda.synchronize if device.type == "cuda" else _nothing
    call()
    times = []
    for _ in range(repeats):
        wait()
        began = time.perf_counter()
        call()
        wait()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _nothing() -> None:
    """The CPU needs no waiting for."""


def _picture(height: int, width: int) -> Tensor:
    """Smooth noise: something that flow can follow."""
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
