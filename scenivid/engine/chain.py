"""Everything between reading and writing, built from the settings: which stages, and with how many threads.

What the chain remembers where a piece ends can be put into another chain, which then goes on as the first
would have: the results' `edges` say where that is and what it is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scenivid import cores
from scenivid.cores import Threads, set_up
from scenivid.engine import stages
from scenivid.engine.agreed import agree
from scenivid.engine.lanes.guard import Guard
from scenivid.engine.lanes.plan import Plan
from scenivid.engine.lanes.plane_finish import Finish, as_wanted
from scenivid.engine.lanes.planes import Frame, Look, Paint, Steady
from scenivid.engine.loaded import Loaded
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.shots import NAME, Edges, Pieces, Shots, mark_of
from scenivid.engine.stages import DEPTH, Stage, Stopwatch
from scenivid.flow.estimators import open_estimator
from scenivid.lazy import torch
from scenivid.pixels import Clip, Layout, StoredClip
from scenivid.styles.engines.graph_style import GraphStyle
from scenivid.styles.finish_planes import painting_size
from scenivid.styles.painter import Painter, TensorPainter
from scenivid.styles.tiling import auto_tile

if TYPE_CHECKING:
    from scenivid.engine.lanes.tensors import Batch
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
        if stylizer is None and settings.style != "none" and settings.strength > 0:
            graph = on_cpu and not tensors and settings.like is None  # a palette works on tensors
            style, settings = _loaded_style(settings, device, graph, loaded)
        shots = Shots(pieces)
        plain = style is None
        if style is None and settings.like is not None:
            from scenivid.styles.like import Untouched

            style = Untouched()
        if style is None or settings.strength == 0:
            settled["paint"] = "none"
            passing = _PassOn(dtype, stored, shots)
            threads = cores.divide(False)
            return cls(
                [passing], 1, threads, device, settings.serial, settled, shots=shots, scout=_Count(shots)
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
        painter, threads, engine = _painter(
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
            "precision": _precision(style),
        }
        depth = 1 if size[0] * size[1] > _LARGE else DEPTH
        if tensors:
            from scenivid.engine.lanes import tensors as tensor_lane

            assert isinstance(painter, TensorPainter)
            row = tensor_lane.lane(plan, painter.stylizer, estimator, torch.device(device), notes)
            kind: type[Frame] | type[Batch] = tensor_lane.Batch
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
                from scenivid.engine.lanes.tensors import batches, rgb_of

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
        from scenivid.engine.lanes import tensors as tensor_lane

        wrap = tensor_lane.on_streams(torch.device(self.device))
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

    def __init__(self, dtype: torch.dtype | None, stored: Layout | None, shots: Shots) -> None:
        super().__init__(shots)
        self._dtype, self._stored = dtype, stored

    def __call__(self, frame: Frame) -> Frame:
        found = super().__call__(frame)
        return replace(found, source=as_wanted(found.source, self._dtype, self._stored))


def _loaded_style(
    settings: StylizeSettings, device: torch.device | str, graph: bool, loaded: Loaded
) -> tuple[Stylizer | GraphStyle, StylizeSettings]:
    """The style, and the settings with the precision that is agreed on for it.

    Args:
        graph: whether OpenVINO may run it without torch.
    """

    def load(settings: StylizeSettings) -> Stylizer | GraphStyle:
        style = loaded.graph(settings) if graph else None
        return style or loaded.style(settings, torch.device(device))

    style = load(settings)
    found = _precision(style)
    if settings.precision == "auto" and found != "own":
        agreed = agree(settings.agreed, f"precision of {settings.style}", found)
        settings = replace(settings, precision=agreed)
        style = style if agreed == found else load(settings)
    return style, settings


def _precision(style: Stylizer | GraphStyle) -> str:
    """By the name that settings have for it; 'own' for what has no other."""
    if isinstance(style, GraphStyle):
        return "fp32" if style.precision == "f32" else style.precision
    names: dict[Any, str] = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
    return names.get(getattr(style, "dtype", None), "own")


def _painter(
    style: Stylizer | GraphStyle,
    settings: StylizeSettings,
    size: tuple[int, int],
    tile: int | None,
    on_cpu: bool,
    notes: list[str],
    loaded: Loaded,
) -> tuple[Painter, Threads, str]:
    """The style made for a size of frames, how many threads it has, and the engine's name."""
    picture, engine = settings.like, settings.engine
    what = f"engine of {settings.style} at {size[1]}x{size[0]}"
    if isinstance(style, GraphStyle):
        agreed = agree(settings.agreed, what, "openvino") if engine == "auto" else "openvino"
        if agreed == "openvino":
            threads = cores.divide(True)
            return loaded.painter(style, size, threads, tile), threads, "openvino"
        style, engine = loaded.style(settings, torch.device("cpu")), agreed
    from scenivid.styles.stylizer import stateless

    threads, name = cores.divide(stateless(style) and picture is None), "torch"
    if on_cpu and tile is None:
        with set_up(threads):
            found, name = loaded.with_engine(style, engine, size, threads, notes)
            if engine == "auto" and name != "own" and (agreed := agree(settings.agreed, what, name)) != name:
                found, name = loaded.with_engine(style, agreed, size, threads, notes)
            style = found
    if picture is not None:
        from scenivid.styles.like import like

        style = like(style, picture)
    return TensorPainter(style, tile), threads, name


def _short_side(wanted: int | str, usual: int | None) -> int | None:
    if isinstance(wanted, int):
        return wanted
    return None if wanted == "full" else usual


def _batch(wanted: int | str, size: tuple[int, int]) -> int:
    if isinstance(wanted, int):
        return wanted
    return max(1, min(_MOST, _BATCH_PIXELS // (size[0] * size[1])))
