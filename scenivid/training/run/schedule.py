"""Learning rates over a run."""

from __future__ import annotations

import math

import torch


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Schedules here are functions of the step, so there is no scheduler state to save."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def constant_then_linear(step: int, steps: int, constant: float = 0.5) -> float:
    """Factor 1 for the first `constant` share of the steps, then linearly down to 0 at the end."""
    begin = constant * steps
    return 1.0 if step < begin else max(0.0, (steps - step) / max(steps - begin, 1e-9))


def warmup_then_cosine(step: int, steps: int, warmup: int = 0, floor: float = 0.0) -> float:
    """Factor rising linearly to 1 over `warmup` steps, then half a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    along = min(1.0, (step - warmup) / max(steps - warmup, 1))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * along))
