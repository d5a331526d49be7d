"""scenivid bench: time every stage on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from scenivid.cli import terminal
from scenivid.cli.options import Command


@click.command("bench", cls=Command, examples=("scenivid bench --repeats 1 --clip examples/clip.mp4",))
@click.option("--style", default="aozora", show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--precision", default="auto", show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@click.option("--clip", type=click.Path(path_type=Path), help="Also time decoding of this video.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def command(style: str, device: str, precision: str, repeats: int, clip: Path | None, as_json: bool) -> None:
    """Time decoding, translation, flow and steadying at 960×540 and 1920×1080."""
    import torch

    from scenivid.devices import resolve_device
    from scenivid.engine.bench import bench

    place = resolve_device(device)
    timings = list(bench(style, place, precision, repeats, clip))
    machine = {"device": str(place), "threads": torch.get_num_threads(), "torch": torch.__version__}
    if as_json:
        click.echo(json.dumps({**machine, "timings": [asdict(timing) for timing in timings]}))
        return
    rows = [(timing.stage, timing.what, timing.size, f"{timing.ms_per_frame:.1f}") for timing in timings]
    terminal.table(("stage", "what", "size", "ms per frame"), rows)
    terminal.out(", ".join(f"{key} {value}" for key, value in machine.items()))
