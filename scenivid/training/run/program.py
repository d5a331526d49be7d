"""What the loop asks of a program, and what of it a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor


class Stateful(Protocol):
    """A module, an optimiser, an ADA controller: tensors and plain python in and out."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Program(Protocol):
    """What is trained."""

    def state(self) -> Mapping[str, Stateful]:
        """Everything that a checkpoint must hold, by name; the same names at every call."""

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        """Do optimiser step `index` (from 0); hand back detached scalars to log.

        A name may be there at some steps only (lazy regularisation, a distance measured now and then):
        the log holds the mean over the steps that reported it.
        """

    def samples(self) -> Tensor | None:
        """A picture of how far it is: [3, H, W] float in [0, 1] (see `log.grid`), or None."""
