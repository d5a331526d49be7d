"""Stages of a run that leaves frames as they are: they find where pieces begin, or change the numbers."""

from __future__ import annotations

from dataclasses import replace

from scenivid.engine.lanes.plane_finish import as_wanted
from scenivid.engine.lanes.planes import Frame
from scenivid.engine.shots import Shots
from scenivid.machine.lazy import torch
from scenivid.pixels import Layout


class Count:
    """Find where pieces begin, where shots make no difference."""

    name, workers = "flow", 1

    def __init__(self, shots: Shots) -> None:
        self._shots = shots

    def __call__(self, frame: Frame) -> Frame:
        return replace(frame, edges=self._shots.edges(frame.edges.mark, self._shots.pass_by()))

    def state(self) -> object:
        return None

    def restore(self, state: object) -> None:
        """Nothing is remembered."""


class PassOn(Count):
    """Leave frames as they are, but for the numbers that hold them."""

    name = "finish"

    def __init__(self, dtype: torch.dtype | None, stored: Layout | None, shots: Shots) -> None:
        super().__init__(shots)
        self._dtype, self._stored = dtype, stored

    def __call__(self, frame: Frame) -> Frame:
        found = super().__call__(frame)
        return replace(found, source=as_wanted(found.source, self._dtype, self._stored))
