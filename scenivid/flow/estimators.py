"""One protocol behind every flow estimator, and the choice between them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from scenivid.errors import ConfigError
from scenivid.flow.dis import Dis
from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

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


def open_estimator(
    name: str, device: torch.device | str, weights: Path | None = None
) -> FlowEstimator | None:
    """The estimator called `name`; None for 'none'.

    'auto' never downloads: on CUDA raft-large or raft-small if its published weights are in torch's cache,
    else DIS; on the CPU always DIS. The embedded raft-small is never chosen: it is dearer than DIS and no
    better. The choice is logged.

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
        name = _choose(str(device))
        _log.info("flow: %s on %s", name, device)
    if name == "none":
        return None
    if name == "dis":
        return Dis()
    from scenivid.flow.raft import load_raft

    return load_raft(name, torch.device(device), weights)


def _choose(device: str) -> str:
    if not device.startswith("cuda"):
        return "dis"
    from scenivid.flow.raft import cached

    return next((name for name in ("raft-large", "raft-small") if cached(name)), "dis")
