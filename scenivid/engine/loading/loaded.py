"""Styles that stay in memory between the runs of one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from scenivid.engine.settings import StylizeSettings
from scenivid.machine.cores import Threads
from scenivid.styles.engines.graph_style import GraphPainter, GraphStyle, graph_style
from scenivid.styles.places import find_here

if TYPE_CHECKING:
    import torch

    from scenivid.styles.stylizer import Stylizer

T = TypeVar("T")


class Loaded:
    """What was loaded last; for one run at a time."""

    def __init__(self, most: int = 4) -> None:
        """`most`: things that are kept."""
        self._most = most
        self._kept: dict[tuple[object, ...], object] = {}

    def graph(self, settings: StylizeSettings) -> GraphStyle | None:
        """The style as OpenVINO runs it without torch, if that is possible and nothing else is asked for.

        Raises:
            CheckpointError: the file is damaged or none of ours.
        """
        path = find_here(settings.style)
        if settings.style_image is not None:
            return None  # `style` says what is wrong with it
        if path is None or path.suffix != ".safetensors" or settings.engine not in ("auto", "openvino"):
            return None
        key = ("graph", path, path.stat().st_mtime_ns, settings.precision, settings.strength)
        return self._once(key, lambda: graph_style(path, settings.precision, settings.strength))

    def painter(
        self, style: GraphStyle, size: tuple[int, int], threads: Threads, tile: int | None
    ) -> GraphPainter:
        """`GraphStyle.painter`; a compiled network is kept too."""
        key = (id(style), size, threads, tile)
        return self._once(key, lambda: (style, style.painter(size, threads, tile)))[1]

    def style(self, settings: StylizeSettings, device: torch.device) -> Stylizer:
        """`load_style` for these settings.

        Raises:
            CheckpointError, ConfigError, DependencyError: as `load_style`.
        """
        from scenivid.styles.zoo import load_style

        key = (settings.style, str(device), settings.precision, settings.strength, settings.onnx)
        files = (find_here(settings.style), settings.style_image, settings.style_predictor)
        return self._once(
            (*key, *files, *(path and path.is_file() and path.stat().st_mtime_ns for path in files)),
            lambda: load_style(
                settings.style,
                device,
                settings.precision,
                strength=settings.strength,
                onnx=settings.onnx,
                style_image=settings.style_image,
                style_predictor=settings.style_predictor,
            ),
        )

    def with_engine(
        self, stylizer: Stylizer, wanted: str, size: tuple[int, int], threads: Threads, notes: list[str]
    ) -> tuple[Stylizer, str]:
        """`with_engine` of `styles.engines.choice`; a network in an engine is kept too."""
        from scenivid.styles.engines.choice import with_engine

        key = (id(stylizer), wanted, size, threads)
        kept = self._once(key, lambda: (stylizer, *with_engine(stylizer, wanted, size, threads, notes)))
        return kept[1:]

    def _once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        if key not in self._kept:
            while len(self._kept) >= self._most:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = make()
        return cast(T, self._kept[key])
