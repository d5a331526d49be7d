"""What makes a step fast on a GPU: numbers of 16 bits with a scaler, fused optimisers, layouts, compilation.

Each is the same code on the CPU, where tests run it. Nothing here waits for the device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)
Precision = Literal["fp32", "bf16", "fp16"]
"""Numbers of the forward passes; weights and optimisers stay in float32."""
_BACKEND = "inductor"
_SCALE = 2.0**16
"""To begin with. New projection heads have large gradients: a translator's first steps are left out."""
_BF16 = 8
"""CUDA compute capability from which cards have bfloat16."""


class Mixed:
    """Casts forward passes and, for float16, scales losses so that small gradients don't vanish.

    One scale for all losses of a program. Steps whose gradients aren't finite are left out, and it is halved:

        with mixed.cast():
            loss = …
        mixed.scale(loss).backward()
        mixed.step(optimizer, clip=1.0)      # for each optimiser
        mixed.update()                       # once
    """

    def __init__(self, device: torch.device, precision: Precision) -> None:
        self.device, self.dtype = device, _dtype(device, precision)
        self.scaler = torch.amp.GradScaler(device.type, _SCALE, enabled=self.dtype is torch.float16)

    def cast(self) -> torch.autocast:
        """For a `with` around forward passes."""
        enabled = self.dtype is not torch.float32
        return torch.autocast(self.device.type, self.dtype if enabled else torch.bfloat16, enabled=enabled)

    def scale(self, loss: Tensor) -> Tensor:
        """The loss, or for float16 a multiple of it."""
        scaled: Tensor = self.scaler.scale(loss)
        return scaled

    def step(
        self, optimizer: torch.optim.Optimizer, clip: float = 0.0,
        joined: Callable[[list[nn.Parameter]], None] | None = None,
    ) -> None:  # fmt: skip
        """Take an optimiser's step on the gradients of a scaled loss.

        Args:
            clip: longest gradient; 0 = no limit.
            joined: averages gradients over processes first, so that all of them see the same.
        """
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        if joined is not None:
            joined(weights)
        self.scaler.unscale_(optimizer)
        if clip:
            nn.utils.clip_grad_norm_(weights, clip)
        self.scaler.step(optimizer)

    def update(self) -> None:
        """Adapt the scale, after the steps of all optimisers."""
        self.scaler.update()

    def state(self) -> Mapping[str, torch.amp.GradScaler]:
        """For a checkpoint: the scaler, where there is one."""
        return {"scaler": self.scaler} if self.scaler.is_enabled() else {}


def tune(device: torch.device) -> None:
    """Let cuDNN try its algorithms once for each shape: crops have one size, so it pays."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True


def adam(
    weights: Iterable[nn.Parameter], rate: float, betas: tuple[float, float], device: torch.device
) -> torch.optim.Adam:
    """Adam in one kernel for all weights, on the GPU."""
    return torch.optim.Adam(weights, rate, betas, fused=device.type == "cuda" or None)


def laid_out(module: nn.Module, device: torch.device) -> nn.Module:
    """On the device; on a GPU with channels last, as its matrix units want convolutions."""
    moved = module.to(device)
    return moved.to(memory_format=torch.channels_last) if device.type == "cuda" else moved


def compiled(module: nn.Module, wanted: bool) -> None:
    """Let torch.compile make one program of a network, in place: its weights keep their names.

    Not for StyleGAN2: R1 and the path length differentiate twice, which compiled programs can't.
    """
    if wanted:
        module.compile(backend=_BACKEND)


def _dtype(device: torch.device, precision: Precision) -> torch.dtype:
    if precision == "fp32":
        return torch.float32
    old = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < _BF16
    if precision == "bf16" and old:
        logger.info("this GPU has no bfloat16: float16 with a loss scale in its place")
        return torch.float16
    return torch.float16 if precision == "fp16" else torch.bfloat16
