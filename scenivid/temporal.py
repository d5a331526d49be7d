"""Causal temporal coherence: each stylised frame keeps what its predecessors agreed on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenivid.flow.consistency import Motion, estimate_motion
from scenivid.flow.warp import warp

DEFAULT_CONSISTENCY = 0.8


@dataclass(frozen=True, eq=False)
class Memory:
    """What `steady` carries from frame to frame."""

    source: Tensor
    """The previous source frame, [1, 3, H, W], float32 in [0, 1]."""
    output: Tensor
    """The previous steadied frame, [1, 3, H, W], float32 in [0, 1]."""


def steady(
    source: Tensor, styled: Tensor, memory: Memory | None, motion: Motion | None, consistency: float
) -> tuple[Tensor, Memory]:
    """Blend a stylised frame with its past."""
    now = source.float()
    frame = styled.float()
    if memory is None or consistency == 0:
        return styled, Memory(now, frame)
    if motion is None:
        motion = estimate_motion(None, now, memory.source)
    history = warp(memory.output, motion.flow, "bicubic").clamp(0, 1)
    out = torch.lerp(frame, history, 0.8 * consistency * motion.confidence)
    same = (now == memory.source).all()
    out = torch.where(same, memory.output, out)
    return out.to(styled.dtype), Memory(now, out)
