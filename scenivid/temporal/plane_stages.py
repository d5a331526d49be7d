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

from scenivid.flow.consistency import Motion, estimate_motion
from scenivid.flow.dis import Dis
from scenivid.flow.filters import enlarge
from scenivid.flow.warp import resize_flow
from scenivid.temporal.planes import PlaneMotion, Planes, State, check_finite
from scenivid.temporal.steady import Memory, steady


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


class SteadyPlanes:
    """`steady` over planes: luma and line at full size, chroma at half."""

    def __init__(self, height: int, width: int, consistency: float) -> None:
        """Args:
        height, width: of the frames, any.
        consistency: 0 returns each frame itself, 1 follows the past as long as the source allows.
        """
        self._size = (height, width)
        self._consistency = consistency
        self._memory: Memory | None = None

    def step(self, source: Planes, styled: Planes, motion: PlaneMotion | None, cut: bool) -> Planes:
        """Steady one frame.

        Args:
            source: the frame before stylisation, without line; only read.
            styled: its stylised planes, which the result overwrites.
            motion: from `MotionPlanes.step`, or any other at any size; None only where `cut` is true or
                nothing is remembered.
            cut: a new shot begins: forget.

        Returns:
            The planes of `styled`, steadied.

        Raises:
            InputError: the stylised frame isn't finite; the memory is as before.
        """
        check_finite(styled)
        if cut or motion is None:
            self._memory = None
        field = None
        if motion is not None:
            flow = torch.from_numpy(motion.flow).permute(2, 0, 1)[None]
            field = Motion(
                resize_flow(flow, self._size),
                enlarge(torch.from_numpy(motion.confidence)[None, None], self._size),
            )
        out, self._memory = steady(_rgb(source), _rgb(styled), self._memory, field, self._consistency)
        red, green, blue = out[0].numpy()
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        styled.luma[:] = luma
        for plane, colour, scale in ((styled.chroma[0], blue, 1.8556), (styled.chroma[1], red, 1.5748)):
            full = torch.from_numpy((colour - luma) / scale)[None, None]
            plane[:] = torch.nn.functional.interpolate(full, plane.shape, mode="area")[0, 0].numpy()
        return styled

    def state(self) -> State:
        """What is remembered, as named arrays; empty at the beginning of a shot."""
        return {} if self._memory is None else {k: v.numpy() for k, v in vars(self._memory).items()}

    def restore(self, state: State) -> None:
        """Go on from what `state` once returned."""
        arrays = {name: torch.from_numpy(np.asarray(array)) for name, array in state.items()}
        self._memory = Memory(**arrays) if arrays else None


def _rgb(frame: Planes) -> Tensor:
    height, width = frame.luma.shape
    chroma = torch.from_numpy(frame.chroma)[None]
    blue, red = torch.nn.functional.interpolate(chroma, (height, width), mode="bilinear")[0].numpy()
    luma = frame.luma
    planes = (luma + 1.5748 * red, luma - 0.4681 * red - 0.1873 * blue, luma + 1.8556 * blue)
    return torch.from_numpy(np.clip(np.stack(planes), 0, 1))[None]
