"""The way of a frame on the CPU: look at it, paint it, steady it, finish it.

Everything between works at the painting size, on planes (luma, and chroma at half size) where it can. The
full-size source is touched twice: it is shrunk at the beginning, and gives its edges at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from scenivid import colour
from scenivid.engine.lanes.plan import Plan, failed
from scenivid.engine.shots import Edges
from scenivid.engine.stages import Stage
from scenivid.flow.consistency import estimate_motion, working_size
from scenivid.flow.estimators import FlowEstimator
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, StoredClip
from scenivid.styles.engines.graph_style import GraphPainter
from scenivid.styles.painter import Painter, Picture
from scenivid.temporal.cuts import SIDE, Image
from scenivid.temporal.plane_stages import MotionPlanes, SteadyPlanes
from scenivid.temporal.plane_tools import resized
from scenivid.temporal.planes import PlaneMotion, Planes, State, finite

if TYPE_CHECKING:
    from torch import Tensor

    from scenivid.styles.stylizer import StyleState

RGB_MATRIX = colour.MATRICES["bt709"]
"""For planes of what comes as RGB; any would do."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame on its way; what later stages don't need is let go."""

    source: Clip | StoredClip
    """As it was read, later as it is written: one frame."""
    number: int
    """Counted from 0."""
    edges: Edges = Edges()
    rgb: Picture | None = None
    """The source at the painting size, [3, h, w]."""
    planes: Planes | None = None
    """The same as planes, with the matrix of the result."""
    guide: colour.Plane | None = None
    """Its luma, with the matrix of the source, [h, w]."""
    cut: bool = False
    motion: PlaneMotion | None = None
    kept: bool = False
    """Whether the source is the result, since the style failed."""
    painted: Picture | None = None
    """[3, h, w], or four channels with a line field."""
    styled: Planes | None = None
    """The same as planes, where the painter gives these and no picture."""
    steadied: Planes | None = None
    """Planes of the painting after `steady`; None without it."""


class Look:
    """Shrink a frame, find out whether a shot begins, and how things moved."""

    name, workers = "flow", 1

    def __init__(self, plan: Plan, estimator: FlowEstimator | None) -> None:
        self._plan = plan
        self._motion: MotionPlanes | _FieldMotion | None = None
        if plan.consistency > 0:
            name = "none" if estimator is None else estimator.name
            known = name in ("none", "dis")
            self._motion = MotionPlanes(*plan.small, name) if known else _FieldMotion(estimator)

    def __call__(self, frame: Frame) -> Frame:
        source, small = frame.source, self._plan.small
        if isinstance(source, StoredClip):
            assert self._plan.stored is not None
            rgb, planes, guide = _shrunk(source, small, colour.MATRICES[self._plan.stored.matrix])
        else:
            rgb = _small_rgb(source.pixels, small)
            planes = as_planes(rgb, RGB_MATRIX)
            guide = planes.luma
        shots = self._plan.shots
        seen = shots.look(_thumbnail(planes, matrix_of(self._plan)))
        edges, cut = shots.edges(frame.edges.mark, seen), seen.cut
        motion = None if self._motion is None else self._motion.step(planes, cut)
        done = replace(frame, edges=edges, rgb=rgb, planes=planes, guide=guide, cut=cut, motion=motion)
        return told(done, self)

    def state(self) -> object:
        return {} if self._motion is None else _copied(self._motion.state())

    def restore(self, state: State) -> None:
        if self._motion is not None:
            self._motion.restore(state)


class Paint:
    """Translate a frame into the style."""

    name = "translate"

    def __init__(self, plan: Plan, painter: Painter, notes: list[str]) -> None:
        self._plan, self._painter, self._notes = plan, painter, notes
        self._state: StyleState | None = None
        self.workers = plan.workers

    def __call__(self, frame: Frame) -> Frame:
        assert frame.rgb is not None
        styled = self._planes(frame.rgb)
        if styled is not None and all(finite(plane) for plane in styled.held):
            return told(replace(frame, styled=styled, rgb=None), self)
        painted, state = self._painter.paint(frame.rgb, frame.cut, self._state)
        if not finite(painted):
            self._notes.append(failed(frame.source, 0, frame.number, self._painter.name, self._plan))
            self._state = None if frame.cut else self._state
            return told(replace(frame, kept=True, rgb=None), self)
        if self.workers == 1:
            self._state = state
        rgb = frame.rgb if self._plan.guard else None
        return told(replace(frame, painted=painted, rgb=rgb), self)

    def _planes(self, rgb: Picture) -> Planes | None:
        """The painting as planes, where nobody wants the picture and the painter can do without."""
        if self._plan.stored is None or self._plan.guard or not isinstance(self._painter, GraphPainter):
            return None
        found = self._painter.paint_planes(rgb, matrix_of(self._plan))
        return None if found is None else Planes(*found)

    def state(self) -> object:
        return self._state

    def restore(self, state: StyleState | None) -> None:
        self._state = state


class Steady:
    """Make a frame agree with the ones before."""

    name, workers = "steady", 1

    def __init__(self, plan: Plan) -> None:
        self._steady = SteadyPlanes(*plan.small, plan.consistency)
        self._plan = plan
        self._afresh = False

    def __call__(self, frame: Frame) -> Frame:
        if frame.kept:  # nothing of it is remembered, and its successor has no history
            self._afresh = True
            return told(frame, self)
        assert frame.planes is not None
        cut = frame.cut or self._afresh or frame.motion is None
        self._afresh = False
        styled = planes_of(frame, self._plan)
        steadied = self._steady.step(frame.planes, styled, None if cut else frame.motion, cut)
        done = replace(frame, motion=None, planes=None, painted=None, styled=None, steadied=steadied)
        return told(done, self)

    def state(self) -> object:
        return self._afresh, _copied(self._steady.state())

    def restore(self, state: tuple[bool, State]) -> None:
        self._afresh = state[0]
        self._steady.restore(state[1])


class _FieldMotion:
    """`MotionPlanes` for any estimator."""

    def __init__(self, estimator: FlowEstimator | None) -> None:
        self._estimator = estimator
        self._last: Tensor | None = None

    def step(self, source: Planes, cut: bool) -> PlaneMotion | None:
        now = torch.from_numpy(colour.to_rgb(source.luma, source.chroma, RGB_MATRIX))[None].clamp_(0, 1)
        before, self._last = self._last, now
        if before is None or cut:
            return None
        with torch.inference_mode():
            motion = estimate_motion(self._estimator, now, before)
        flow = np.ascontiguousarray(motion.flow[0].permute(1, 2, 0).numpy())
        return PlaneMotion(flow, motion.confidence[0, 0].numpy())

    def state(self) -> State:
        return {} if self._last is None else {"last": self._last.numpy()}

    def restore(self, state: State) -> None:
        self._last = torch.from_numpy(np.asarray(state["last"], np.float32)) if state else None


def matrix_of(plan: Plan) -> colour.Matrix:
    """Of the planes between the stages: the result's."""
    return RGB_MATRIX if plan.stored is None else colour.MATRICES[plan.stored.matrix]


def planes_of(frame: Frame, plan: Plan) -> Planes:
    """Those of the painting, with chroma at half size where the result has it so."""
    if frame.styled is not None:
        return frame.styled
    assert frame.painted is not None
    return as_planes(frame.painted, matrix_of(plan), whole=plan.stored is None)


def as_planes(painted: Picture, matrix: colour.Matrix, whole: bool = False) -> Planes:
    """[3 or 4, h, w] as planes, chroma `whole` or at half size; its fourth channel is a line, not copied."""
    luma, chroma = colour.to_planes(painted[:3], matrix, whole)
    return Planes(luma, chroma, painted[3] if len(painted) > 3 else None)


def told(frame: Frame, stage: Stage) -> Frame:
    """The frame with what the stage remembers, if it is asked for."""
    return replace(frame, edges=frame.edges.told(stage.name, stage.state)) if frame.edges.ends else frame


def _shrunk(
    source: StoredClip, size: tuple[int, int], matrix: colour.Matrix
) -> tuple[Picture, Planes, colour.Plane]:
    """RGB, planes of `matrix`, and luma of the source's own matrix, at the painting size."""
    own, (light, tint) = colour.MATRICES[source.layout.matrix], colour.levels(source.layout.full_range)
    half = (size[0] // 2, size[1] // 2)
    luma = colour.to_values(_resized(source.luma[0], size), light)
    whole = source.luma.shape[1:] == size

    def tints(size: tuple[int, int]) -> colour.Plane:
        values = np.empty((2, *size), np.float32)
        for plane, out in zip(source.chroma[0], values, strict=True):
            colour.to_values(_resized(plane, size), tint, out)
        return values

    chroma = tints(half if whole else size)
    rgb = colour.to_rgb(luma, chroma, own, clamped=True)
    if matrix != own:
        planes = as_planes(rgb, matrix)
    else:
        planes = Planes(luma, chroma if whole else tints(half))
    return rgb, planes, luma


def _small_rgb(pixels: Tensor, size: tuple[int, int]) -> Picture:
    """`styles.finish.at_painting_size` of one frame, as an array."""
    planes = pixels[0].numpy()
    small = np.empty((3, *size), np.float32)
    for plane, out in zip(planes, small, strict=True):
        np.multiply(_resized(plane, size), np.float32(1 / np.iinfo(planes.dtype).max), out=out)
    return small


def _thumbnail(planes: Planes, matrix: colour.Matrix) -> Image:
    """What the cut detector looks at."""
    size = working_size(planes.luma.shape[0], planes.luma.shape[1], SIDE)
    luma, *chroma = (resized(plane, size) for plane in (planes.luma, *planes.chroma))
    rgb = colour.to_rgb(luma, np.stack(chroma), matrix, clamped=True)
    return np.asarray(cv2.merge([cv2.convertScaleAbs(plane, alpha=255) for plane in rgb[::-1]]), np.uint8)


def _resized(plane: colour.Plane, size: tuple[int, ...]) -> colour.Plane:
    if plane.shape == size:
        return plane
    smaller = size[0] <= plane.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(plane, (size[1], size[0]), interpolation=how)


def _copied(state: State) -> State:
    return {name: np.array(array) for name, array in state.items()}
