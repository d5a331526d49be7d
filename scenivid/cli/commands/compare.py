"""scenivid compare: two videos side by side."""

from __future__ import annotations

from pathlib import Path

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.parameters import Name


@click.command(
    "compare", cls=Command, examples=("scenivid compare examples/clip.mp4 examples/clip.mp4 side.mp4",)
)
@click.argument("first", metavar="A", type=Name())
@click.argument("second", metavar="B", type=Name())
@click.argument("output", metavar="OUT", type=Name())
@click.option("--stacked", is_flag=True, help="One above the other instead of side by side.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
def command(first: Path, second: Path, output: Path, stacked: bool, overwrite: bool) -> None:
    """Put videos A and B side by side into OUT, at A's height, with A's sound."""
    from scenivid.video.compare import compare

    for note in compare(first, second, output, stacked=stacked, overwrite=overwrite):
        terminal.say(note)
    if str(output) != "-":  # where the video itself is
        terminal.out(str(output))
