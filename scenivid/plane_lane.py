"""The way of a frame on the CPU: look at it, paint it, steady it, finish it.

Everything between works at the painting size, on planes (luma, and chroma at half size) where it can. The
full-size source is touched twice: it is shrunk at the beginning, and gives its edges at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from scenivid import colour
from scenivid.cuts import CutDetector
from scenivid.errors import InputError
from scenivid.flow.consistency import estimate_motion
from scenivid.flow.estimators import FlowEstimator
from scenivid.frames import Clip, to_float, to_pixels
from scenivid.ink import compose
from scenivid.stages import Stage
from scenivid.styles.finish import GuideStats, at_painting_size, finish_line, finish_plane
from scenivid.styles.stylizer import StyleState, Stylizer
from scenivid.temporal.plane_stages import MotionPlanes, SteadyPlanes
from scenivid.temporal.planes import PlaneMotion, Planes, State

_MATRIX = colour.MATRICES["bt709"]
"""Any would do for RGB."""


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
    dtype: torch.dtype
    """Of the pixels wanted."""
    workers: int = 1
    """Frames that may be painted at once."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame on its way; what later stages don't need is let go."""

    source: Clip
    """As it was read: one frame."""
    number: int
    """Counted from 0."""
    keep_states: bool = False
    """Whether every stage shall say what it remembers after this frame."""
    states: tuple[tuple[str, object], ...] = ()
    rgb: Tensor | None = None
    """The source at the painting size, [1, 3, h, w]."""
    planes: Planes | None = None
    """The same as planes."""
    cut: bool = False
    motion: PlaneMotion | None = None
    painted: Tensor | None = None
    """[1, 3, h, w], or four channels with a line field; None: the source is kept."""
    steadied: Planes | None = None
    """Planes of the painting after `steady`; None without it."""


def lane(plan: Plan, stylizer: Stylizer, estimator: FlowEstimator | None, notes: list[str]) -> list[Stage]:
    """The stages of a run.

    Args:
        notes: what a stage has to tell the user is appended.
    """
    stages: list[Stage] = [Look(plan, estimator), Paint(plan, stylizer, notes)]
    if plan.consistency > 0:
        stages.append(Steady(plan))
    return [*stages, Finish(plan)]


class Look:
    """Shrink a frame, find out whether a shot begins, and how things moved."""

    name, workers = "flow", 1

    def __init__(self, plan: Plan, estimator: FlowEstimator | None) -> None:
        self._plan, self._cuts = plan, CutDetector()
        self._motion: MotionPlanes | _FieldMotion | None = None
        if plan.consistency > 0:
            name = "none" if estimator is None else estimator.name
            known = name in ("none", "dis")
            self._motion = MotionPlanes(*plan.small, name) if known else _FieldMotion(estimator)

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> Frame:
        pixels = frame.source.pixels
        rgb = at_painting_size(pixels, self._plan.small)
        planes = Planes(*colour.to_planes(rgb[0].contiguous().numpy(), _MATRIX))
        cut = self._cuts.cuts(Clip(to_pixels(rgb), frame.source.pts))[0]
        motion = None if self._motion is None else self._motion.step(planes, cut)
        return _told(replace(frame, rgb=rgb, planes=planes, cut=cut, motion=motion), self)

    def state(self) -> object:
        return self._cuts.state(), {} if self._motion is None else _copied(self._motion.state())

    def restore(self, state: tuple[Any, State]) -> None:
        self._cuts.restore(state[0])
        if self._motion is not None:
            self._motion.restore(state[1])


class Paint:
    """Translate a frame into the style."""

    name = "translate"

    def __init__(self, plan: Plan, stylizer: Stylizer, notes: list[str]) -> None:
        self._plan, self._stylizer, self._notes = plan, stylizer, notes
        self._state: StyleState | None = None
        self.workers = plan.workers

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> Frame:
        assert frame.rgb is not None
        painted, state = self._stylizer.translate(frame.rgb, [frame.cut], self._state, self._plan.tile)
        if not bool(torch.isfinite(painted.sum())):
            self._notes.append(failed(frame.source, 0, frame.number, self._stylizer, self._plan))
            return _told(replace(frame, painted=None, rgb=None), self)
        if self.workers == 1:
            self._state = state
        needed = self._plan.consistency == 0 or self._plan.small == self._plan.size
        return _told(replace(frame, painted=painted, rgb=frame.rgb if needed else None), self)

    def state(self) -> object:
        return self._state

    def restore(self, state: StyleState | None) -> None:
        self._state = state


class Steady:
    """Make a frame agree with the ones before."""

    name, workers = "steady", 1

    def __init__(self, plan: Plan) -> None:
        self._steady = SteadyPlanes(*plan.small, plan.consistency)
        self._afresh = False

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> Frame:
        if frame.painted is None:  # nothing of it is remembered, and its successor has no history
            self._afresh = True
            return _told(frame, self)
        assert frame.planes is not None
        cut = frame.cut or self._afresh or frame.motion is None
        self._afresh = False
        styled = _as_planes(frame.painted)
        steadied = self._steady.step(frame.planes, styled, None if cut else frame.motion, cut)
        return _told(replace(frame, motion=None, steadied=steadied), self)

    def state(self) -> object:
        return self._afresh, _copied(self._steady.state())

    def restore(self, state: tuple[bool, State]) -> None:
        self._afresh = state[0]
        self._steady.restore(state[1])


class Finish:
    """Bring a frame to full size, draw its lines, blend it with the source, and round."""

    name, workers = "finish", 1

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> Frame:
        pixels = frame.source.pixels
        if frame.painted is not None:
            pixels = self._finished(frame, frame.painted)
        elif pixels.dtype != self._plan.dtype:
            pixels = to_pixels(to_float(pixels), self._plan.dtype)
        source = replace(frame.source, pixels=pixels, alpha=alpha_like(frame.source, pixels.dtype))
        return _told(Frame(source, frame.number, frame.keep_states, frame.states), self)

    def _finished(self, frame: Frame, painted: Tensor) -> Tensor:
        plan, source = self._plan, frame.source.pixels
        flat = painted[:, :3]
        line = painted[:, 3:]
        if frame.steadied is not None:
            flat = _moved_to(painted, frame.steadied)
            if frame.steadied.line is not None:
                line = torch.from_numpy(frame.steadied.line)[None, None]
        if plan.small != plan.size:
            assert frame.planes is not None
            stats = GuideStats(frame.planes.luma)
            full = _grey(source)
            large = np.empty((1, 3, *plan.size), np.float32)
            for plane, out in zip(flat[0].contiguous().numpy(), large[0], strict=True):
                finish_plane(plane, stats, full, out)
            flat = torch.from_numpy(large)
        if line.shape[1] and plan.ink > 0:
            flat = compose(flat, finish_line(line, plan.size), plan.ink)
        if plan.blend < 1:
            flat = torch.lerp(to_float(source), flat, plan.blend)
        return to_pixels(flat, plan.dtype)

    def state(self) -> object:
        return None

    def restore(self, state: None) -> None:
        """Nothing is remembered."""


class _FieldMotion:
    """`MotionPlanes` for any estimator."""

    def __init__(self, estimator: FlowEstimator | None) -> None:
        self._estimator = estimator
        self._last: Tensor | None = None

    def step(self, source: Planes, cut: bool) -> PlaneMotion | None:
        now = torch.from_numpy(colour.to_rgb(source.luma, source.chroma, _MATRIX))[None].clamp_(0, 1)
        before, self._last = self._last, now
        if before is None or cut:
            return None
        motion = estimate_motion(self._estimator, now, before)
        flow = np.ascontiguousarray(motion.flow[0].permute(1, 2, 0).numpy())
        return PlaneMotion(flow, motion.confidence[0, 0].numpy())

    def state(self) -> State:
        return {} if self._last is None else {"last": self._last.numpy()}

    def restore(self, state: State) -> None:
        self._last = torch.from_numpy(np.asarray(state["last"], np.float32)) if state else None


def alpha_like(clip: Clip, dtype: torch.dtype) -> Tensor | None:
    """The source's opacity, as deep as the finished pixels."""
    if clip.alpha is None or clip.alpha.dtype == dtype:
        return clip.alpha
    return to_pixels(to_float(clip.alpha), dtype)


def failed(clip: Clip, index: int, first: int, stylizer: Stylizer, plan: Plan) -> str:
    """A note on a frame that the style failed on.

    Args:
        clip: holds the frame, at `index`.
        first: number of the clip's first frame, counted from 0.

    Raises:
        InputError: instead, if the run shall stop there.
    """
    where = f"frame {first + index + 1} (at {float(clip.pts[index]):.3f} s)"
    why = f"{where}: the style {stylizer.card.name} gave values that are no numbers"
    if plan.on_error == "stop":
        raise InputError(f"{why}; --precision fp32 may help, or --on-error keep to pass such frames")
    return f"{why}: the source frame was kept"


def _as_planes(painted: Tensor) -> Planes:
    channels = painted[0].float().contiguous().numpy()
    luma, chroma = colour.to_planes(channels[:3], _MATRIX)
    return Planes(luma, chroma, channels[3].copy() if len(channels) > 3 else None)


def _moved_to(painted: Tensor, steadied: Planes) -> Tensor:
    """RGB of the steadied planes, with the fine colour of the painting that half-size chroma can't hold."""
    before = _as_planes(painted)
    luma, chroma = steadied.luma - before.luma, steadied.chroma - before.chroma
    return painted[:, :3] + torch.from_numpy(colour.to_rgb(luma, chroma, _MATRIX))[None]


def _grey(pixels: Tensor) -> colour.Plane:
    """Luma of integer RGB, [1, 3, H, W], as float32 in [0, 1], [H, W]."""
    unit = 1 / np.iinfo(np.uint8 if pixels.dtype == torch.uint8 else np.uint16).max
    matrix = _MATRIX
    red, green, blue = pixels[0].numpy()
    part: colour.Plane = cv2.addWeighted(
        red, matrix.red * unit, green, matrix.green * unit, 0, dtype=cv2.CV_32F
    )
    grey: colour.Plane = cv2.addWeighted(part, 1, blue, matrix.blue * unit, 0, dtype=cv2.CV_32F)
    return grey


def _copied(state: State) -> State:
    return {name: np.array(array) for name, array in state.items()}


def _told(frame: Frame, stage: Stage) -> Frame:
    if not frame.keep_states:
        return frame
    return replace(frame, states=(*frame.states, (stage.name, stage.state())))
