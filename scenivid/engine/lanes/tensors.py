"""The way of frames on CUDA: some at once, as float tensors on the device, each stage on a stream of its own.

The same stages as in `planes`, for whole RGB tensors and with the reference formulas of `steady`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.engine.lanes.batches import Batch, rgb_of
from scenivid.engine.lanes.guard import Watched, mask_at, watch
from scenivid.engine.lanes.plan import Plan, alpha_like, failed
from scenivid.engine.stages import Stage
from scenivid.flow.consistency import estimate_motion
from scenivid.flow.estimators import FlowEstimator
from scenivid.flow.filters import luma
from scenivid.ink import compose
from scenivid.perception.regions import looked_at
from scenivid.pixels import to_float, to_pixels
from scenivid.styles.finish import at_painting_size, finish
from scenivid.styles.stylizer import StyleState, Stylizer
from scenivid.temporal import Memory, steady


def lane(
    plan: Plan, stylizer: Stylizer, estimator: FlowEstimator | None, device: torch.device, notes: list[str]
) -> list[Stage]:
    """The stages of a run, in order."""
    stages: list[Stage] = [Look(plan, estimator, device), Paint(plan, stylizer, notes)]
    if plan.guard:
        stages.append(Watch())
    if plan.consistency > 0:
        stages.append(Steady(plan))
    return [*stages, Finish(plan)]


class Look:
    """Bring frames to the device, shrink them, find motion."""

    name, workers = "flow", 1

    def __init__(self, plan: Plan, estimator: FlowEstimator | None, device: torch.device) -> None:
        self._plan, self._estimator, self._device = plan, estimator, device
        self._last: Tensor | None = None

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> Batch:
        pixels = rgb_of(batch.source).pixels
        if self._device.type == "cuda":
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        elif self._device.type != "cpu":
            pixels = pixels.to(self._device)
        small = at_painting_size(pixels, self._plan.small)
        motion = None
        if self._plan.consistency > 0:
            previous = torch.cat([small[:1] if self._last is None else self._last, small[:-1]])
            self._last = small[-1:]
            motion = estimate_motion(self._estimator, small, previous)
        return _told(replace(batch, full=pixels, rgb=small, motion=motion), self)

    def state(self) -> object:
        return self._last

    def restore(self, state: Tensor | None) -> None:
        self._last = state


class Paint:
    """Translate frames into the style."""

    name, workers = "translate", 1

    def __init__(self, plan: Plan, stylizer: Stylizer, notes: list[str]) -> None:
        self._plan, self._stylizer, self._notes = plan, stylizer, notes
        self._state: StyleState | None = None

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> Batch:
        assert batch.rgb is not None
        before = self._state
        styled, self._state = self._stylizer.translate(batch.rgb, batch.cuts, before, self._plan.tile)
        kept: list[int] = []
        if not bool(torch.isfinite(styled.sum())):
            styled, kept = self._one_by_one(batch, batch.rgb, before)
        return _told(replace(batch, styled=styled.float(), kept=tuple(kept)), self)

    def _one_by_one(self, batch: Batch, rgb: Tensor, state: StyleState | None) -> tuple[Tensor, list[int]]:
        """Find the frames that fail; their state is thrown away."""
        styled, kept = [], []
        for index, cut in enumerate(batch.cuts):
            frame, after = self._stylizer.translate(rgb[index : index + 1], [cut], state, self._plan.tile)
            if bool(torch.isfinite(frame.sum())):
                state = after
            else:
                self._notes.append(
                    failed(batch.source, index, batch.number, self._stylizer.card.name, self._plan)
                )
                frame = torch.zeros_like(frame)
                kept.append(index)
                state = None if cut else state
            styled.append(frame)
        self._state = state
        return torch.cat(styled), kept

    def state(self) -> object:
        return self._state

    def restore(self, state: StyleState | None) -> None:
        self._state = state


class Watch:
    """`guard.Guard` for batches: small copies go to the host, masks come back."""

    name, workers = "guard", 1

    def __init__(self) -> None:
        self._watched: Watched | None = None

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> Batch:
        assert batch.rgb is not None and batch.styled is not None
        size, device = (batch.rgb.shape[-2], batch.rgb.shape[-1]), batch.rgb.device
        both = torch.cat([batch.rgb.float(), batch.styled[:, :3].float()])
        small = F.interpolate(both, looked_at(size), mode="area")
        sources, paintings = small.cpu().numpy().reshape(2, len(batch.rgb), *small.shape[1:])
        frames = []
        for index, cut in enumerate(batch.cuts):
            frame = batch.styled[index : index + 1]
            if index in batch.kept:
                self._watched = None if cut else self._watched
            else:
                before = None if cut else self._watched
                self._watched = watch(sources[index], paintings[index], before)
                mask = mask_at(self._watched, size)
                if mask is not None:
                    share = torch.from_numpy(mask).to(device)
                    source = batch.rgb[index : index + 1]
                    flat = torch.lerp(frame[:, :3], source.to(frame.dtype), share.to(frame.dtype))
                    frame = torch.cat((flat, frame[:, 3:] * (1 - share)), 1)
            frames.append(frame)
        return _told(replace(batch, styled=torch.cat(frames)), self)

    def state(self) -> object:
        return self._watched

    def restore(self, state: Watched | None) -> None:
        self._watched = state


class Steady:
    """Make frames agree with the ones before."""

    name, workers = "steady", 1

    def __init__(self, plan: Plan) -> None:
        self._consistency = plan.consistency
        self._memory: Memory | None = None

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> Batch:
        assert batch.rgb is not None and batch.styled is not None and batch.motion is not None
        frames = []
        for index, cut in enumerate(batch.cuts):
            one = slice(index, index + 1)
            if index in batch.kept:
                self._memory = None
                frames.append(batch.styled[one])
                continue
            memory = None if cut else self._memory
            motion = batch.motion.at(index)
            frame, self._memory = steady(batch.rgb[one], batch.styled[one], memory, motion, self._consistency)
            frames.append(frame)
        return _told(replace(batch, styled=torch.cat(frames), motion=None), self)

    def state(self) -> object:
        return self._memory

    def restore(self, state: Memory | None) -> None:
        self._memory = state


class Finish:
    """Bring frames to full size, draw lines, blend, round, and start the copy to the host."""

    name, workers = "finish", 1

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> Batch:
        plan, full, rgb, styled = self._plan, batch.full, batch.rgb, batch.styled
        assert full is not None and rgb is not None and styled is not None
        source = to_float(full)
        flat, line = styled[:, :3], styled[:, 3:]
        inked = line.shape[1] > 0 and plan.ink > 0
        if plan.small != plan.size:
            flat = finish(flat, luma(rgb), luma(source), line if inked else None, plan.ink)
        elif inked:
            flat = compose(flat, line, plan.ink)
        if plan.blend < 1:
            flat = torch.lerp(source, flat, plan.blend)
        for index in batch.kept:
            flat[index] = source[index]
        pixels = to_pixels(flat, plan.dtype)
        if pixels.is_cuda:
            host = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
            pixels = host.copy_(pixels, non_blocking=True)
        elif pixels.device.type != "cpu":
            pixels = pixels.cpu()
        clip = rgb_of(batch.source)
        done = replace(clip, pixels=pixels, alpha=alpha_like(clip, pixels.dtype))
        return _told(Batch(done, batch.number, batch.edges), self)

    def state(self) -> object:
        return None

    def restore(self, state: None) -> None:
        """Nothing is remembered."""


def _told(batch: Batch, stage: Stage) -> Batch:
    return replace(batch, edges=batch.edges.told(stage.name, stage.state)) if batch.edges.ends else batch
