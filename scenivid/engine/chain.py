"""Everything between reading and writing, built from the settings: which stages, and with how many threads.

The chain's state at any frame boundary can be taken out and put into another chain, which then goes on as the
first would have: `parts(..., mark)` names the frames after which every stage says what it remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from scenivid import cores
from scenivid.cores import Threads, set_up
from scenivid.engine import stages
from scenivid.engine.lanes import tensors as tensor_lane
from scenivid.engine.lanes.plan import Plan
from scenivid.engine.lanes.plane_finish import Finish, as_wanted
from scenivid.engine.lanes.planes import Frame, Look, Paint, Steady
from scenivid.engine.lanes.tensors import Batch
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.stages import DEPTH, Stage, Stopwatch
from scenivid.flow.estimators import open_estimator
from scenivid.frames import Clip, Layout, StoredClip
from scenivid.styles.engines.choice import with_engine
from scenivid.styles.finish import painting_size
from scenivid.styles.stylizer import LiteStylizer, Stylizer, blend_for
from scenivid.styles.tiling import auto_tile
from scenivid.styles.zoo import load_style

_PAINTED_AT = 540
"""Shorter side, in pixels, of the pictures that lite styles learnt from, where their card says nothing."""
_BATCH_PIXELS = 2**24
"""Painted at once on CUDA with `batch='auto'`: more gains nothing."""
_MOST = 32
_LARGE = 2**22
"""Pixels of a frame from which as few as possible wait between the stages."""


@dataclass(frozen=True, eq=False)
class Chain:
    """The stages of a run, in order."""

    stages: list[Stage]
    batch: int
    """Frames in a part: 1 on the CPU, where more gain nothing and cost memory."""
    threads: Threads
    device: torch.device
    serial: bool
    settled: Mapping[str, Any] = field(default_factory=dict)
    """What 'auto' became, for the report."""
    depth: int = DEPTH
    """Parts that may wait between two stages."""
    kind: type[Frame] | type[Batch] = Frame
    """What the stages take."""

    @classmethod
    def build(
        cls,
        settings: StylizeSettings,
        device: torch.device,
        stylizer: Stylizer | None,
        size: tuple[int, int],
        dtype: torch.dtype,
        notes: list[str],
        *,
        stored: Layout | None = None,
        tensors: bool | None = None,
    ) -> Chain:
        """Load what the settings ask for; nothing is loaded that the result would not show.

        Args:
            stylizer: used in place of `settings.style`.
            size: height and width of the frames.
            dtype: of the pixels wanted, torch.uint8 or torch.uint16.
            notes: what stages have to tell the user is appended.
            stored: of the result, if frames come and go as files store them; None: they are RGB.
            tensors: whether frames go as whole tensors rather than planes; None: everywhere but on the CPU.

        Raises:
            CheckpointError: the style or the flow weights can't be loaded.
            ConfigError: settings that don't go together.
        """
        settled: dict[str, Any] = {"device": str(device), "flow": "none", "batch": 1, "tile": "none"}
        if stylizer is None and settings.style != "none" and settings.strength > 0:
            stylizer = load_style(
                settings.style, device, settings.precision, strength=settings.strength, onnx=settings.onnx
            )
        if stylizer is None or settings.strength == 0:
            settled["paint"] = "none"
            return cls([_PassOn(dtype, stored)], 1, cores.divide(False), device, settings.serial, settled)
        estimator = None
        if settings.consistency > 0:
            estimator = open_estimator(settings.flow, device, settings.flow_weights)
        small = painting_size(*size, _short_side(settings.paint, stylizer))
        tensors = device.type != "cpu" if tensors is None else tensors
        batch = _batch(settings.batch, small) if tensors else 1
        tile: int | str | None = settings.tile
        if tile == "auto":
            tile = auto_tile(*small, batch, stylizer.bytes_per_pixel, device)
        threads = cores.divide(isinstance(stylizer, LiteStylizer))
        engine = "torch"
        if device.type == "cpu" and not isinstance(tile, int):
            with set_up(threads):
                stylizer, engine = with_engine(stylizer, settings.engine, small, threads, notes)
        plan = Plan(
            size,
            small,
            settings.consistency,
            blend_for(stylizer, settings.strength),
            settings.ink if settings.ink is not None else stylizer.ink or 0.0,
            tile if isinstance(tile, int) else None,
            settings.on_error,
            dtype,
            stored,
            threads.painters,
        )
        settled |= {
            "flow": estimator.name if estimator else "none",
            "batch": batch,
            "tile": plan.tile or "none",
            "paint": f"{small[1]}x{small[0]}",
            "engine": engine,
        }
        depth = 1 if size[0] * size[1] > _LARGE else DEPTH
        row: list[Stage]
        if tensors:
            row = tensor_lane.lane(plan, stylizer, estimator, device, notes)
        else:
            row = [Look(plan, estimator), Paint(plan, stylizer, notes), Finish(plan)]
            if plan.consistency > 0:
                row.insert(2, Steady(plan))
        return cls(row, batch, threads, device, settings.serial, settled, depth, Batch if tensors else Frame)

    def parts(
        self, clips: Iterable[Clip | StoredClip], first: int = 0, mark: Callable[[int], bool] | None = None
    ) -> Generator[Frame | Batch, None, None]:
        """Clips as the stages take them.

        Args:
            first: number of the first frame, counted from 0.
            mark: whether the results shall say what the stages remember after the frame of this number (the
                last one of a part).
        """
        number = first
        try:
            for clip in clips:
                after = number + len(clip) - 1
                yield self.kind(clip, number, mark is not None and mark(after))
                number = after + 1
        finally:
            if isinstance(clips, Generator):
                clips.close()

    @contextmanager
    def running(self, parts: Iterable[Frame | Batch], watch: Stopwatch) -> Iterator[Iterator[Frame | Batch]]:
        """Send parts through the stages; see `stages.running`. Their `source` is then the finished clip."""
        wrap = tensor_lane.on_streams(self.device) if self.kind is Batch else None
        with stages.running(
            parts, self.stages, watch, serial=self.serial, depth=self.depth, wrap=wrap
        ) as results:
            yield results if wrap is None else tensor_lane.arrived(results)

    def restore(self, states: Iterable[tuple[str, object]]) -> None:
        """Go on from where another chain's part said `states`.

        They belong to a run with the same settings, style and sizes.
        """
        known = {stage.name: stage for stage in self.stages}
        for name, state in states:
            known[name].restore(state)


class _PassOn:
    """Leave frames as they are, but for the numbers that hold them."""

    name, workers = "finish", 1

    def __init__(self, dtype: torch.dtype, stored: Layout | None) -> None:
        self._dtype, self._stored = dtype, stored

    def __call__(self, frame: Frame) -> Frame:
        return replace(frame, source=as_wanted(frame.source, self._dtype, self._stored))

    def state(self) -> object:
        return None

    def restore(self, state: object) -> None:
        """Nothing is remembered."""


def _short_side(wanted: int | str, stylizer: Stylizer) -> int | None:
    if isinstance(wanted, int):
        return wanted
    if wanted == "full":
        return None
    return stylizer.paint_size or (_PAINTED_AT if isinstance(stylizer, LiteStylizer) else None)


def _batch(wanted: int | str, size: tuple[int, int]) -> int:
    if isinstance(wanted, int):
        return wanted
    return max(1, min(_MOST, _BATCH_PIXELS // (size[0] * size[1])))
