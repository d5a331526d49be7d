"""scenivid probe: what a file says about itself."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.parameters import Name
from scenivid.video.reading.settings import MAX_PIXELS, ReadSettings


@click.command("probe", cls=Command, examples=("scenivid probe examples/clip.mp4",))
@click.argument("file", type=Name())
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=MAX_PIXELS,
    show_default=True,
    help="Refuse larger pictures (width x height), by what their header says.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def command(file: Path, max_pixels: int, as_json: bool) -> None:
    """Show size, timing, colour and tracks of a video FILE or a folder of frames."""
    from scenivid.video.open import probe

    how = ReadSettings(max_pixels=max_pixels)
    values = {key: _plain(value) for key, value in asdict(probe(file, how)).items() if key != "names"}
    if as_json:
        click.echo(json.dumps(values))
        return
    rows = [
        (key.replace("_", " "), json.dumps(value) if isinstance(value, dict | list) else str(value))
        for key, value in values.items()
    ]
    terminal.table(("property", "value"), rows)


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else round(float(value), 6)
    if isinstance(value, Path):
        return os.fsencode(value).decode(errors="backslashreplace")  # a name may be no UTF-8
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
