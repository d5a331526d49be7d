"""The style of a run: loaded with the precision that is agreed on, and made for a size of frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scenivid.engine.loading.agreed import agree
from scenivid.engine.loading.loaded import Loaded
from scenivid.engine.settings import StylizeSettings
from scenivid.machine import cores
from scenivid.machine.cores import Threads, set_up
from scenivid.machine.lazy import torch
from scenivid.styles.engines.graph_style import GraphStyle
from scenivid.styles.painter import Painter, TensorPainter

if TYPE_CHECKING:
    from scenivid.styles.stylizer import Stylizer


def loaded_style(
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
    found = precision_of(style)
    if settings.precision == "auto" and found != "own":
        agreed = agree(settings.agreed, f"precision of {settings.style}", found)
        settings = replace(settings, precision=agreed)
        style = style if agreed == found else load(settings)
    return style, settings


def precision_of(style: Stylizer | GraphStyle) -> str:
    """By the name that settings have for it; 'own' for what has no other."""
    if isinstance(style, GraphStyle):
        return "fp32" if style.precision == "f32" else style.precision
    names: dict[Any, str] = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
    return names.get(getattr(style, "dtype", None), "own")


def painter_for(
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
