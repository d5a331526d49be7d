"""Everything between reading and writing, built from the settings: which stages, and with how many threads.

What the chain remembers where a piece ends can be put into another chain, which then goes on as the first
would have: the results' `edges` say where that is and what it is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
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
from scenivid.engine.lanes.tensors import Batch, rgb_of
from scenivid.engine.loaded import Loaded
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.shots import NAME, Edges, Pieces, Shots, mark_of
from scenivid.engine.stages import DEPTH, Stage, Stopwatch
from scenivid.flow.estimators import open_estimator
from scenivid.frames import Clip, Layout, StoredClip
from scenivid.styles.finish import painting_size
from scenivid.styles.stylizer import LiteStylizer, Stylizer, blend_for
from scenivid.styles.tiling import auto_tile

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
    shots: Shots = field(default_factory=Shots)
    scout: Stage | None = None
    """Finds shots and pieces as the stages would, and does nothing else; None where `parts` finds them."""

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
        pieces: Pieces | None = None,
        loaded: Loaded | None = None,
    ) -> Chain:
        """Load what the settings ask for; nothing is loaded that the result would not show.

        Args:
            stylizer: used in place of `settings.style`.
            size: height and width of the frames.
            dtype: of the pixels wanted, torch.uint8 or torch.uint16.
            notes: what stages have to tell the user is appended.
            stored: of the result, if frames come and go as files store them; None: they are RGB.
            tensors: whether frames go as whole tensors rather than planes; None: everywhere but on the CPU.
            pieces: how long the pieces of the result are; None: it is one.
            loaded: styles from runs before, and for runs to come.

        Raises:
            CheckpointError: the style or the flow weights can't be loaded.
            ConfigError: settings that don't go together.
        """
        settled: dict[str, Any] = {"device": str(device), "flow": "none", "batch": 1, "tile": "none"}
        loaded = loaded or Loaded()
        if stylizer is not None and pieces is not None:  # who knows what it remembers across cuts
            pieces = replace(pieces, least=0)
        if stylizer is None and settings.style != "none" and settings.strength > 0:
            stylizer = loaded.style(settings, device)
        shots = Shots(pieces)
        if stylizer is None or settings.strength == 0:
            settled["paint"] = "none"
            passing = _PassOn(dtype, stored, shots)
            threads = cores.divide(False)
            return cls(
                [passing], 1, threads, device, settings.serial, settled, shots=shots, scout=_Count(shots)
            )
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
                stylizer, engine = loaded.with_engine(stylizer, settings.engine, small, threads, notes)
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
            shots,
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
        scout = None if tensors else Look(replace(plan, consistency=0.0), None)
        kind = Batch if tensors else Frame
        return cls(row, batch, threads, device, settings.serial, settled, depth, kind, shots, scout)

    def parts(
        self, clips: Iterable[Clip | StoredClip], first: int = 0
    ) -> Generator[Frame | Batch, None, None]:
        """Clips as the stages take them.

        Args:
            clips: of `batch` frames each.
            first: number of the first frame, counted from 0.
        """
        try:
            if self.kind is Batch:
                yield from tensor_lane.batches(map(rgb_of, clips), first, self.batch, self.shots)
                return
            for number, clip in enumerate(clips, first):
                yield Frame(clip, number, Edges(mark_of(clip)))
        finally:
            if isinstance(clips, Generator):
                clips.close()

    @property
    def scouting(self) -> Chain:
        """A chain that finds the same shots and pieces, and leaves the frames as they are."""
        return replace(self, stages=[] if self.scout is None else [self.scout])

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
        known: dict[str, Any] = {stage.name: stage for stage in self.stages}
        known[NAME] = self.shots
        for name, state in states:
            if name in known:
                known[name].restore(state)


class _Count:
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


class _PassOn(_Count):
    """Leave frames as they are, but for the numbers that hold them."""

    name = "finish"

    def __init__(self, dtype: torch.dtype, stored: Layout | None, shots: Shots) -> None:
        super().__init__(shots)
        self._dtype, self._stored = dtype, stored

    def __call__(self, frame: Frame) -> Frame:
        found = super().__call__(frame)
        return replace(found, source=as_wanted(found.source, self._dtype, self._stored))


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
