"""scenivid bench: time every stage and whole runs on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.parameters import Count
from scenivid.machine import aside


@click.command("bench", cls=Command, examples=("scenivid bench --quick",))
@click.option("--style", default="aozora", show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--precision", default="auto", show_default=True)
@click.option("--engine", type=click.Choice(["auto", "torch", "openvino", "onnx"]), default="auto",
              show_default=True)  # fmt: skip
@click.option("--paint", type=Count("auto", "full"), default="auto", show_default=True)
@click.option("--quick", is_flag=True, help="Few frames, at 640x360 only.")
@click.option(
    "--plot",
    "plotted",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.svg",
    help="Draw cost against pixels.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def command(
    style: str,
    device: str,
    precision: str,
    engine: str,
    paint: int | str,
    quick: bool,
    plotted: Path | None,
    as_json: bool,
) -> None:
    """Time stages and whole runs, from 640x360 to 3840x2160, beside what the machine can do at best."""
    from typing import Any, cast

    from scenivid.engine.bench import bench, plot
    from scenivid.engine.settings import StylizeSettings

    settings = StylizeSettings(
        style, device=device, precision=precision, engine=engine, paint=cast(Any, paint)
    )
    found = bench(settings, quick, lambda what: terminal.say(f"measuring {what}"))
    if plotted is not None:
        with aside.whole(plotted) as part:
            part.write_text(plot(found))
    if as_json:
        click.echo(json.dumps(found.as_json()))
        return
    terminal.table(("yardstick", "", ""), [(s.name, f"{s.value:.1f}", s.unit) for s in found.yardsticks])
    sizes = list(dict.fromkeys(timing.size for timing in found.timings))
    rows = []
    for stage in dict.fromkeys(timing.stage for timing in found.timings):
        cells = {
            t.size: f"{t.ms_per_frame:.1f} ({found.copies(t):.0f})" for t in found.timings if t.stage == stage
        }
        rows.append((stage, *(cells.get(size, "") for size in sizes)))
    terminal.table(("stage alone, CPU ms a frame (copies of a float plane)", *sizes), rows)
    terminal.table(
        ("whole run", "CPU ms/frame", "ms/MP", "x FFmpeg", "frames/s", "cores", "start s", "peak MB"),
        [(one.size, f"{one.ms_per_frame:.0f}", f"{one.ms_per_frame / one.pixels * 1e6:.0f}",
          f"{one.ratio:.1f}",
          f"{one.frames_per_s:.1f}", f"{one.cores_busy:.2f}", f"{one.start_s:.1f}", f"{one.peak_mb:.0f}")
         for one in found.runs],
    )  # fmt: skip
    if found.peak_share is not None:
        terminal.out(
            f"the network reaches {100 * found.peak_share:.0f} % of the fastest matrix multiplication"
        )
    terminal.out(", ".join(f"{key} {value}" for key, value in found.machine.items()))
