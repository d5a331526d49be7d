"""The stages of temporal coherence on float planes, one frame at a time: motion, then `steady`.

    motion = MotionPlanes(height, width, "dis")
    steadied = SteadyPlanes(height, width, consistency)
    for source, styled, cut in frames:
        frame = steadied.step(source, styled, motion.step(source, cut), cut)

Each stage keeps its own memory and may run in its own thread.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scenivid.flow.consistency import estimate_motion
from scenivid.flow.dis import Dis
from scenivid.temporal.plane_steady import SteadyPlanes
from scenivid.temporal.planes import PlaneMotion, Planes, State

__all__ = ["MotionPlanes", "SteadyPlanes"]


class MotionPlanes:
    """Motion of each frame against the one before."""

    def __init__(self, height: int, width: int, estimator: str = "dis") -> None:
        """Args:
        height, width: of the frames, any.
        estimator: 'dis', or 'none', which takes nothing to move.
        """
        self._size = (height, width)
        self._estimator = Dis() if estimator == "dis" else None
        self._last: Tensor | None = None

    def step(self, source: Planes, cut: bool = False) -> PlaneMotion | None:
        """Motion from `source` to the previous one; None at the first frame and at a cut.

        Args:
            source: the frame before stylisation; not kept.
        """
        now = _rgb(source)
        before, self._last = self._last, now
        if before is None or cut:
            return None
        motion = estimate_motion(self._estimator, now, before)
        return PlaneMotion(
            np.ascontiguousarray(motion.flow[0].permute(1, 2, 0).numpy()), motion.confidence[0, 0].numpy()
        )

    def state(self) -> State:
        """What is remembered, as named arrays; empty before the first frame."""
        return {} if self._last is None else {"last": self._last.numpy()}

    def restore(self, state: State) -> None:
        """Go on from what `state` once returned."""
        self._last = torch.from_numpy(np.asarray(state["last"], np.float32)) if state else None


def _rgb(frame: Planes) -> Tensor:
    height, width = frame.luma.shape
    chroma = torch.from_numpy(frame.chroma)[None]
    blue, red = torch.nn.functional.interpolate(chroma, (height, width), mode="bilinear")[0].numpy()
    luma = frame.luma
    planes = (luma + 1.5748 * red, luma - 0.4681 * red - 0.1873 * blue, luma + 1.8556 * blue)
    return torch.from_numpy(np.clip(np.stack(planes), 0, 1))[None]
