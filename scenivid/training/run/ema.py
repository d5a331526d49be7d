"""The averaged copy of a network that learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def update_ema(ema: nn.Module, net: nn.Module, decay: float) -> None:
    """ema ← decay·ema + (1 − decay)·net for parameters; buffers are copied."""
    averaged: list[Tensor] = list(ema.parameters())
    current: list[Tensor] = list(net.parameters())
    if averaged:
        torch._foreach_lerp_(averaged, current, 1 - decay)
    for kept, buffer in zip(ema.buffers(), net.buffers(), strict=True):
        kept.copy_(buffer)
