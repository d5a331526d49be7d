"""One protocol behind every flow estimator, and the choice between them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.flow.dis import Dis
from scenivid.flow.raft import cached, embedded, load_raft

_log = logging.getLogger(__name__)
ESTIMATORS = ("auto", "raft-large", "raft-small", "dis", "none")


class FlowEstimator(Protocol):
    """Dense optical flow between pairs of frames."""

    @property
    def name(self) -> str:
        """'raft-large', 'raft-small' or 'dis'."""
        ...

    @property
    def long_side(self) -> int:
        """Pixels of the longer side at which its cost and its accuracy balance."""
        ...

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Where each pixel of `first` is found in `second`: first[y, x] ≈ second[y + v, x + u].

        Args:
            first, second: [N, 3, H, W], RGB float in [0, 1], any size.

        Returns:
            (u, v) in pixels, float32, [N, 2, H, W], on the device of `first`.
        """
        ...


def open_estimator(name: str, device: torch.device, weights: Path | None = None) -> FlowEstimator | None:
    """The estimator called `name`; None for 'none'.

    'auto' never downloads: on CUDA raft-large if its weights are in torch's cache, else raft-small if
    cached or embedded, else DIS; on the CPU always DIS. The choice is logged.

    Args:
        weights: file for raft-large or raft-small in place of the published weights.

    Raises:
        ConfigError: unknown name, or weights for an estimator that takes none.
        CheckpointError: RAFT's weights are not available, or wrong.
    """
    if name not in ESTIMATORS:
        raise ConfigError(f"unknown flow {name!r}: choose one of {', '.join(ESTIMATORS)}")
    if weights is not None and not name.startswith("raft"):
        raise ConfigError(f"flow weights belong to raft-large or raft-small, not to {name!r}")
    if name == "auto":
        name = _choose(device)
        _log.info("flow: %s on %s", name, device)
    if name == "none":
        return None
    if name == "dis":
        return Dis()
    return load_raft(name, device, weights)


def _choose(device: torch.device) -> str:
    if device.type != "cuda":
        return "dis"
    if cached("raft-large"):
        return "raft-large"
    if cached("raft-small") or embedded("raft-small"):
        return "raft-small"
    return "dis"
