"""Ink on colour: how a style's line field is drawn over its flat colours, cheaply, at full size."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_INK = 0.6
"""Where a style doesn't say how dark its lines are."""
TINT = (0.20, 0.15, 0.21)
"""What a full line leaves of black paint's red, green and blue: ink is a little violet."""
LOCAL = 0.24
"""What it leaves of white beyond that: the ink takes on the colour it lies on, and stays richer than grey."""


def compose(flat: Tensor, line: Tensor, ink: float = DEFAULT_INK) -> Tensor:
    """Draw lines over flat colour: a line multiplies what lies below it, so skin gets brown lines.

        out = flat · (1 − a · (1 − tint − local · flat)),   a = clamp(ink · line, 0, 1)

    Args:
        flat: RGB in [0, 1], [N, 3, H, W], float.
        line: 0 where there is no line, 1 in the middle of a full one, [N, 1, H, W].
        ink: darkness of lines, 0 (none) to 1.

    Returns:
        RGB in [0, 1], the shape of `flat`. `flat` itself where `line` or `ink` is 0.
    """
    tint = _tint(flat.dtype, flat.device)
    amount = (ink * line).clamp(0, 1)
    return flat * (1 - amount * (1 - tint - LOCAL * flat))


@cache
def _tint(dtype: torch.dtype, device: torch.device) -> Tensor:
    """`TINT`, [3, 1, 1]; copied to a device once, since a copy from the host waits for it."""
    with torch.inference_mode(False):  # training may be the next to use it
        return torch.tensor(TINT, dtype=dtype, device=device)[:, None, None]


def inked(styled: Tensor, ink: float | None = None) -> Tensor:
    """What a stylizer gave as a picture: its lines, if it has any, drawn over its colours.

    Args:
        styled: [N, 3, H, W], or [N, 4, H, W] with a line field.
        ink: darkness of the lines, 0 to 1; None = `DEFAULT_INK`.

    Returns:
        [N, 3, H, W].
    """
    if styled.shape[1] == 3:
        return styled
    return compose(styled[:, :3], styled[:, 3:], DEFAULT_INK if ink is None else ink)
