"""The way of frames on CUDA: some at once, as float tensors on the device, each stage on a stream of its own.

The same stages as in `plane_lane`, for whole RGB tensors and with the reference formulas of `steady`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.engine.lanes.guard import Watched, mask_at, watch
from scenivid.engine.lanes.plan import Plan, alpha_like, failed
from scenivid.engine.shots import Edges, Shots, mark_of
from scenivid.engine.stages import Stage
from scenivid.flow.consistency import Motion, estimate_motion
from scenivid.flow.estimators import FlowEstimator
from scenivid.flow.filters import luma
from scenivid.ink import compose
from scenivid.perception.regions import looked_at
from scenivid.pixels import Clip, StoredClip, to_float, to_pixels
from scenivid.styles.finish import at_painting_size, finish, finish_line
from scenivid.styles.stylizer import StyleState, Stylizer
from scenivid.temporal import Memory, steady


@dataclass(frozen=True, eq=False)
class Batch:
    """Some frames on their way; what later stages don't need is let go."""

    source: Clip | StoredClip
    """RGB."""
    number: int
    """Of the first frame, counted from 0."""
    edges: Edges = Edges()
    full: Tensor | None = None
    """Source pixels on the device, integers, [T, 3, H, W]."""
    rgb: Tensor | None = None
    """The source at the painting size, float, [T, 3, h, w]."""
    cuts: tuple[bool, ...] = ()
    """Whether each frame begins a shot."""
    motion: Motion | None = None
    styled: Tensor | None = None
    """[T, 3, h, w], float, or four channels with a line field."""
    kept: tuple[int, ...] = ()
    """Frames whose source is kept, since the style failed on them."""
    done: Tensor | None = None
    """Finished pixels, on the host once `ready` has happened."""
    ready: Any = None
    """The CUDA event after the last stage's work."""

    def tensors(self) -> Iterator[Tensor]:
        """Everything on the device."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor):
                yield value
        if self.motion is not None:
            yield from (self.motion.flow, self.motion.confidence)


def lane(
    plan: Plan, stylizer: Stylizer, estimator: FlowEstimator | None, device: torch.device, notes: list[str]
) -> list[Stage]:
    """The stages of a run; see `plane_lane.lane`."""
    stages: list[Stage] = [Look(plan, estimator, device), Paint(plan, stylizer, notes)]
    if plan.guard:
        stages.append(Watch())
    if plan.consistency > 0:
        stages.append(Steady(plan))
    return [*stages, Finish(plan)]


def batches(clips: Iterable[Clip], first: int, size: int, shots: Shots) -> Generator[Batch, None, None]:
    """As many frames at once as wanted, counted from the beginning of each piece.

    So what is computed together doesn't depend on where a run was taken up.
    """
    row = _Row(first)
    for clip in clips:
        for index in range(len(clip)):
            seen = shots.see(clip.part(index, index + 1))
            if seen.begins and row.cuts:
                yield row.taken()
            row.add(clip, index, seen.cut, shots.edges(0, seen))
            if seen.full or len(row.cuts) == size:
                yield row.taken()
    if row.cuts:
        yield row.taken()


class _Row:
    """Frames that will be one batch."""

    def __init__(self, number: int) -> None:
        self.cuts: list[bool] = []
        self._number, self._edges = number, Edges()
        self._held: list[tuple[Clip, int, int]] = []

    def add(self, clip: Clip, index: int, cut: bool, edges: Edges) -> None:
        opening = self._edges if self.cuts else edges
        self._edges = replace(edges, begins=opening.begins, before=opening.before)
        self.cuts.append(cut)
        last, begin, end = self._held[-1] if self._held else (None, 0, 0)
        if last is clip and end == index:
            self._held[-1] = (clip, begin, index + 1)
        else:
            self._held.append((clip, index, index + 1))

    def taken(self) -> Batch:
        source = _joined([clip.part(begin, end) for clip, begin, end in self._held])
        batch = Batch(source, self._number, replace(self._edges, mark=mark_of(source)), cuts=tuple(self.cuts))
        self._number += len(source)
        self._held, self.cuts = [], []
        return batch


def _joined(clips: list[Clip]) -> Clip:
    if len(clips) == 1:
        return clips[0]
    durations = [clip.durations or (None,) * len(clip) for clip in clips]
    alphas = [clip.alpha for clip in clips if clip.alpha is not None]
    return Clip(
        torch.cat([clip.pixels for clip in clips]),
        tuple(pts for clip in clips for pts in clip.pts),
        tuple(length for some in durations for length in some),
        torch.cat(alphas) if alphas else None,
    )


def on_streams(device: torch.device) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]] | None:
    """Around each stage on CUDA: a stream of its own that waits for the stage before, never the host."""
    if device.type != "cuda":
        return None

    def wrap(stage: Callable[[Any], Any]) -> Callable[[Any], Any]:
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

        def run(batch: Batch) -> Batch:
            with torch.cuda.stream(stream):
                if batch.ready is not None:
                    stream.wait_event(batch.ready)
                for tensor in batch.tensors():
                    if tensor.is_cuda:
                        tensor.record_stream(stream)
                result = stage(batch)
                event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
                event.record(stream)
                done: Batch = replace(result, ready=event)
            return done

        return run

    return wrap


def arrived(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same batches, once their pixels have arrived on the host."""
    for batch in batches:
        if batch.ready is not None:
            batch.ready.synchronize()
        yield batch


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
        if plan.small != plan.size:
            flat = finish(flat, luma(rgb), luma(source))
        if line.shape[1] and plan.ink > 0:
            flat = compose(flat, finish_line(line, plan.size), plan.ink)
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


def rgb_of(clip: Clip | StoredClip) -> Clip:
    """The only clips that come here."""
    assert isinstance(clip, Clip)
    return clip


def _told(batch: Batch, stage: Stage) -> Batch:
    return replace(batch, edges=batch.edges.told(stage.name, stage.state)) if batch.edges.ends else batch
