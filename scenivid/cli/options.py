"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from scenivid.cli import terminal
from scenivid.cli.command import spelled
from scenivid.cli.parameters import Count, Name, Number, Rate
from scenivid.video.reading.settings import MAX_PIXELS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def progress_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--progress, --quiet and --log-file; `progress.metered` and `terminal` heed them."""
    return _shared(function, _PROGRESS)


def stylize_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of `stylize` that `batch` shares."""
    return _shared(function, _STYLIZE)


def look_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `stylize` that decide how frames look and what computes them, none about files."""
    held = _shared(lambda: None, _STYLIZE).__click_params__  # type: ignore[attr-defined]
    chosen = [option for option in held if spelled(option) in _LOOK]
    function.__click_params__ = [*getattr(function, "__click_params__", []), *chosen]  # type: ignore[attr-defined]
    return function


def _shared(function: Callable[..., Any], options: list[Decorator]) -> Callable[..., Any]:
    """Add options, marked as those that several commands have."""
    for option in reversed(options):
        function = option(function)
        function.__click_params__[-1].shared = True  # type: ignore[attr-defined]
    return function


def _progress(context: click.Context, parameter: click.Parameter, value: str) -> None:
    context.meta["scenivid.progress"] = value
    if value == "json":
        terminal.as_json()


def _quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        terminal.quiet()


def _log_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    if value is not None and not context.resilient_parsing:
        terminal.also_to(value)


_PROGRESS: list[Decorator] = [
    click.option("--progress", type=click.Choice(["auto", "plain", "json"]), default="auto",
                 show_default=True, expose_value=False, callback=_progress,
                 help="On stderr: a bar on a terminal, lines elsewhere; json for front ends."),
    click.option("--quiet", "-q", is_flag=True, expose_value=False, callback=_quiet,
                 help="Tell errors only."),
    click.option("--log-file", type=click.Path(path_type=Path, dir_okay=False), expose_value=False,
                 callback=_log_file, help="Append every message, with its time, to this file."),
]  # fmt: skip


_LOOK = {
    "style", "strength", "ink", "style-image", "style-predictor", "like", "consistency", "flow",
    "flow-weights", "device", "precision", "tile", "engine", "paint", "max-pixels", "onnx-layout",
    "onnx-range", "onnx-channels",
}  # fmt: skip


_UNIT = Number(0, 1)


_STYLIZE: list[Decorator] = [
    click.option("--style", default="aozora", show_default=True, metavar="NAME|FILE",
                 help="A style's name, a .safetensors or .onnx file, or none (identity)."),
    click.option("--strength", type=_UNIT, default=1.0, show_default=True,
                 help="0 is the source, 1 the full style."),
    click.option("--ink", type=_UNIT, default=None,
                 help="Darkness of the lines of styles that draw them. [default: the style's own]"),
    click.option("--guard", type=click.Choice(["off", "on"]), default="off", show_default=True,
                 help="on: let the source through where the style paints something else, such as leaves"
                 " into a sky."),
    click.option("--style-image", type=Name(), metavar="PICTURE",
                 help="The style's picture, for ONNX networks that take one beside the content."),
    click.option("--style-predictor", type=Name(), metavar="FILE.onnx",
                 help="What makes a vector of it, for networks that want that. [default: found beside FILE]"),
    click.option("--like", type=Name(), metavar="PICTURE",
                 help="Take the palette and tone of this picture, on top of the style."),
    click.option("--consistency", type=_UNIT, default=None,
                 help="0 treats each frame alone, 1 is the steadiest. [default: 0.7]"),
    click.option("--flow", type=click.Choice(["auto", "raft-large", "raft-small", "dis", "none"]),
                 default="auto", show_default=True, help="Optical flow; auto is RAFT on CUDA, DIS on CPU."),
    click.option("--flow-weights", type=click.Path(dir_okay=False), help="RAFT weights from a file."),
    click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]|mps|xpu[:N]"),
    click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto",
                 show_default=True),
    click.option("--batch", type=Count("auto"), default="auto", show_default=True,
                 help="Frames translated at once; never changes the result."),
    click.option("--tile", type=Count("auto", "none"), default="auto", show_default=True,
                 help="Translate in tiles of N pixels to save memory (OpenVINO, fp32: same bytes)."),
    click.option("--engine", type=click.Choice(["auto", "torch", "openvino", "onnx"]), default="auto",
                 show_default=True,
                 help="What runs lite networks on the CPU; auto takes OpenVINO, or measures what there is."),
    click.option("--paint", type=Count("auto", "full"), default="auto", show_default=True,
                 help="Shorter side at which larger frames are painted before they are finished at full size;"
                 " auto: what the style was trained for."),
    click.option("--codec", type=click.Choice(["h264", "hevc", "av1", "vp9", "prores", "ffv1"]),
                 help="[default: by the output's suffix; h264 for .mp4]"),
    click.option("--crf", type=Number(0, 63), help="Quality of the encoder: lower is better."),
    click.option("--preset", metavar="NAME",
                 help="How hard the encoder tries, by x264's names. [default: the codec's; h264 veryfast]"),
    click.option("--pixel-format", metavar="NAME",
                 help="What is stored, by FFmpeg's name: yuv420p10, yuv422p, … [default: what players show]"),
    click.option("--decoder", type=click.Choice(["auto", "decord", "pyav"]), default="auto",
                 show_default=True),
    click.option("--deinterlace", type=click.Choice(["auto", "off"]), default="auto", show_default=True,
                 help="Make whole frames of interlaced footage."),
    click.option("--fps", type=Rate(), help="Frames a second of a folder of frames. [default: 24]"),
    click.option("--max-pixels", type=click.IntRange(1), default=MAX_PIXELS, show_default=True,
                 help="Refuse larger pictures (width x height), by what their header says."),
    click.option("--on-error", type=click.Choice(["stop", "skip", "keep"]), default="stop", show_default=True,
                 help="What a damaged frame does: stop, skip it with a note, or keep the source's."),
    click.option("--strict", is_flag=True, help="Any damage of the source is an error."),
    click.option("--overwrite", is_flag=True, help="Replace what is there."),
    click.option("--resume", is_flag=True,
                 help="Go on with what a run that was stopped or killed has left; and leave it, if stopped."),
    click.option("--serial", is_flag=True, hidden=True, help="No threads between the stages."),
    click.option("--onnx-layout", type=click.Choice(["auto", "nchw", "nhwc"]), default="auto"),
    click.option("--onnx-range", type=click.Choice(["auto", "signed", "unit", "byte"]), default="auto",
                 help="Values an ONNX network works in: [-1,1], [0,1] or 0–255."),
    click.option("--onnx-channels", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON line on stdout at the end."),
]  # fmt: skip


def _names() -> tuple[str, ...]:
    held = _shared(lambda: None, [*_STYLIZE, *_PROGRESS]).__click_params__  # type: ignore[attr-defined]
    return tuple(spelled(option) for option in reversed(held))


SHARED = _names()
"""Names of the options that the commands which stylize share."""
