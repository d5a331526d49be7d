"""What all lanes share: the plan of a run, and what is said of a frame that a style fails on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scenivid.engine.shots import Shots
from scenivid.errors import InputError
from scenivid.pixels import Clip, Layout, StoredClip, to_float, to_pixels

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Plan:
    """What a run does to every frame, settled before the first one."""

    size: tuple[int, int]
    """Height and width of the frames."""
    small: tuple[int, int]
    """Height and width at which they are painted."""
    consistency: float
    blend: float
    """Share of the painting in the result; the rest is the source."""
    ink: float
    tile: int | None
    on_error: str
    """What a frame does that the style fails on: 'stop' the run; else the source's is kept."""
    dtype: torch.dtype | None
    """Of the pixels wanted; None where frames go as files store them."""
    stored: Layout | None = None
    """Frames come and go as files store them, and go with this layout; None: as RGB."""
    workers: int = 1
    """Frames that may be painted at once."""
    guard: bool = False
    """Whether wrong paintings give way to the source (`lanes.guard`)."""
    shots: Shots = field(default_factory=Shots)
    """Finds where shots and pieces begin; of this run alone."""


def alpha_like(clip: Clip, dtype: torch.dtype) -> Tensor | None:
    """The source's opacity, as deep as the finished pixels."""
    if clip.alpha is None or clip.alpha.dtype == dtype:
        return clip.alpha
    return to_pixels(to_float(clip.alpha), dtype)


def failed(clip: Clip | StoredClip, index: int, first: int, style: str, plan: Plan) -> str:
    """A note on a frame that the style failed on.

    Args:
        clip: holds the frame, at `index`.
        first: number of the clip's first frame, counted from 0.
        style: its name.

    Raises:
        InputError: instead, if the run shall stop there.
    """
    where = f"frame {first + index + 1} (at {float(clip.pts[index]):.3f} s)"
    why = f"{where}: the style {style} gave values that are no numbers"
    if plan.on_error == "stop":
        raise InputError(f"{why}; --precision fp32 may help, or --on-error keep to pass such frames")
    return f"{why}: the source frame was kept"
