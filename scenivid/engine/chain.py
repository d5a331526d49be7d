"""Everything between reading and writing, built from the settings: which stages, and with how many threads.

What the chain remembers where a piece ends can be put into another chain, which then goes on as the first
would have: the results' `edges` say where that is and what it is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scenivid.engine import stages
from scenivid.engine.lanes.guard import Guard
from scenivid.engine.lanes.plan import Plan
from scenivid.engine.lanes.plane_finish import Finish
from scenivid.engine.lanes.planes import Frame, Look, Paint, Steady
from scenivid.engine.lanes.unchanged import Count, PassOn
from scenivid.engine.loading.agreed import agree
from scenivid.engine.loading.loaded import Loaded
from scenivid.engine.loading.painter import loaded_style, painter_for, precision_of
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.shots import NAME, Edges, Pieces, Shots, mark_of
from scenivid.engine.stages import DEPTH, Stage, Stopwatch
from scenivid.errors import ConfigError
from scenivid.flow.estimators import open_estimator
from scenivid.machine import cores
from scenivid.machine.cores import Threads
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, Layout, StoredClip
from scenivid.styles.engines.graph_style import GraphStyle
from scenivid.styles.finish_planes import painting_size
from scenivid.styles.onnx.options import OnnxOptions
from scenivid.styles.painter import TensorPainter
from scenivid.styles.tiling import auto_tile

if TYPE_CHECKING:
    from scenivid.engine.lanes.batches import Batch
    from scenivid.styles.stylizer import Stylizer


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
    device: torch.device | str
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
        device: torch.device | str,
        stylizer: Stylizer | None,
        size: tuple[int, int],
        dtype: torch.dtype | None,
        notes: list[str],
        *,
        stored: Layout | None = None,
        tensors: bool | None = None,
        pieces: Pieces | None = None,
        loaded: Loaded | None = None,
    ) -> Chain:
        """Load what the settings ask for; nothing is loaded that the result would not show.

        Args:
            device: 'cpu' does without torch where it can.
            stylizer: used in place of `settings.style`.
            size: height and width of the frames.
            dtype: of the pixels wanted, torch.uint8 or torch.uint16; None where they go as files store them.
            notes: what stages have to tell the user is appended.
            stored: of the result, if frames come and go as files store them; None: they are RGB.
            tensors: whether frames go as whole tensors rather than planes; None: everywhere but on the CPU.
            pieces: how long the pieces of the result are; None: it is one.
            loaded: styles from runs before, and for runs to come.

        Raises:
            CheckpointError: the style or the flow weights can't be loaded.
            ConfigError: settings that don't go together.
        """
        on_cpu = str(device) == "cpu"
        tensors = not on_cpu if tensors is None else tensors
        settled: dict[str, Any] = {"device": str(device), "flow": "none", "batch": 1, "tile": "none"}
        loaded = loaded or Loaded()
        if stylizer is not None and pieces is not None:  # who knows what it remembers across cuts
            pieces = replace(pieces, least=0)
        style: Stylizer | GraphStyle | None = stylizer
        if settings.style == "none" and (settings.style_image or settings.style_predictor):
            from scenivid.styles.onnx.style_inputs import no_style_wanted

            raise no_style_wanted("none")
        if (
            stylizer is None
            and settings.onnx != OnnxOptions()
            and not settings.style.lower().endswith(".onnx")
        ):
            raise ConfigError(f"--onnx-* options are for ONNX networks, and {settings.style} is none")
        if stylizer is None and settings.style != "none" and settings.strength > 0:
            graph = on_cpu and not tensors and settings.like is None  # a palette works on tensors
            style, settings = loaded_style(settings, device, graph, loaded)
        shots = Shots(pieces)
        plain = style is None
        if style is None and settings.like is not None:
            from scenivid.styles.like import Untouched

            style = Untouched()
        if style is None or settings.strength == 0:
            settled["paint"] = "none"
            passing = PassOn(dtype, stored, shots)
            threads = cores.divide(False)
            return cls(
                [passing], 1, threads, device, settings.serial, settled, shots=shots, scout=Count(shots)
            )
        consistency = 0.0 if plain else settings.consistency  # a palette alone is as steady as the source
        estimator = None
        if consistency > 0:
            estimator = open_estimator(settings.flow, device, settings.flow_weights)
            found = estimator.name if estimator else "none"
            if settings.flow == "auto" and (flow := agree(settings.agreed, "flow", found)) != found:
                estimator = open_estimator(flow, device, settings.flow_weights)
        small = painting_size(*size, None if plain else _short_side(settings.paint, style.paint_size))
        batch = _batch(settings.batch, small) if tensors else 1
        tile: int | str | None = settings.tile
        if tile == "auto":
            place = None if isinstance(style, GraphStyle) else torch.device(device)
            tile = auto_tile(*small, batch, style.bytes_per_pixel, place)
        side = tile if isinstance(tile, int) else None
        painter, threads, engine = painter_for(
            style, replace(settings, engine="auto") if plain else settings, small, side, on_cpu, notes, loaded
        )
        plan = Plan(
            size,
            small,
            consistency,
            min(settings.strength / style.strength, 1.0),
            settings.ink if settings.ink is not None else style.ink or 0.0,
            side,
            settings.on_error,
            dtype,
            stored,
            threads.painters,
            settings.guard == "on",
            shots,
        )
        settled |= {
            "flow": estimator.name if estimator else "none",
            "batch": batch,
            "tile": plan.tile or "none",
            "paint": f"{small[1]}x{small[0]}",
            "engine": engine,
            "precision": precision_of(style),
        }
        depth = 1 if size[0] * size[1] > _LARGE else DEPTH
        if tensors:
            from scenivid.engine.lanes.batches import Batch
            from scenivid.engine.lanes.tensors import lane

            assert isinstance(painter, TensorPainter)
            row = lane(plan, painter.stylizer, estimator, torch.device(device), notes)
            kind: type[Frame] | type[Batch] = Batch
            return cls(row, batch, threads, device, settings.serial, settled, depth, kind, shots)
        row = [Look(plan, estimator), Paint(plan, painter, notes), Finish(plan)]
        if plan.consistency > 0:
            row.insert(2, Steady(plan))
        if plan.guard:
            row.insert(2, Guard())
        scout = Look(replace(plan, consistency=0.0), None)
        return cls(row, batch, threads, device, settings.serial, settled, depth, shots=shots, scout=scout)

    def parts(
        self, clips: Iterable[Clip | StoredClip], first: int = 0
    ) -> Generator[Frame | Batch, None, None]:
        """Clips as the stages take them.

        Args:
            clips: of `batch` frames each.
            first: number of the first frame, counted from 0.
        """
        try:
            if self.kind is not Frame:
                from scenivid.engine.lanes.batches import batches, rgb_of

                yield from batches(map(rgb_of, clips), first, self.batch, self.shots)
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
        if self.kind is Frame:
            at_once = cores.available() + 1  # with one for each core, a stage that waits would leave it idle
            with stages.running(
                parts, self.stages, watch, serial=self.serial, depth=self.depth, at_once=at_once
            ) as results:
                yield results
            return
        from scenivid.engine.lanes import streams

        wrap = streams.on_streams(torch.device(self.device))
        with stages.running(
            parts, self.stages, watch, serial=self.serial, depth=self.depth, wrap=wrap
        ) as results:
            yield results if wrap is None else streams.arrived(results)

    def restore(self, states: Iterable[tuple[str, object]]) -> None:
        """Go on from where another chain's part said `states`.

        They belong to a run with the same settings, style and sizes.
        """
        known: dict[str, Any] = {stage.name: stage for stage in self.stages}
        known[NAME] = self.shots
        for name, state in states:
            if name in known:
                known[name].restore(state)


def _short_side(wanted: int | str, usual: int | None) -> int | None:
    if isinstance(wanted, int):
        return wanted
    return None if wanted == "full" else usual


def _batch(wanted: int | str, size: tuple[int, int]) -> int:
    if isinstance(wanted, int):
        return wanted
    return max(1, min(_MOST, _BATCH_PIXELS // (size[0] * size[1])))
