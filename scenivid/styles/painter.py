"""What the engine asks of a style on a CPU: one frame at a time, as arrays, whatever runs the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from scenivid.styles.stylizer import StyleState, Stylizer

Picture = NDArray[np.float32]
"""[C, H, W] in [0, 1]: RGB, maybe with a line field as fourth channel."""


class Painter(Protocol):
    """A style on the CPU."""

    @property
    def name(self) -> str:
        """As the card has it."""

    def paint(self, rgb: Picture, cut: bool, state: StyleState | None) -> tuple[Picture, StyleState | None]:
        """Stylise the next frame.

        Args:
            rgb: [3, H, W], any H and W; only read.
            cut: whether a new shot begins here.
            state: what the call for the frame before returned; None at the start.

        Returns:
            The picture, which is the caller's, and the state for the next call.
        """


@dataclass(frozen=True, eq=False)
class TensorPainter:
    """Any stylizer of ours on the CPU, run by torch or by what its `translate` knows."""

    stylizer: Stylizer
    tile: int | None

    @property
    def name(self) -> str:
        """The stylizer's."""
        return self.stylizer.card.name

    def paint(self, rgb: Picture, cut: bool, state: StyleState | None) -> tuple[Picture, StyleState | None]:
        """See `Painter`."""
        with torch.inference_mode():
            frame = torch.from_numpy(rgb)[None]
            painted, after = self.stylizer.translate(frame, [cut], state, self.tile)
            return np.ascontiguousarray(painted[0].float().numpy()), after
