"""scenivid eval: flicker and fidelity of a video, distances between image folders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.parameters import Seconds
from scenivid.cli.progress import shown


@click.group("eval")
def command() -> None:
    """Measure flicker, fidelity and style.

    \b
    Example:
      scenivid eval flicker --source in.mp4 --styled out.mp4
    """


@command.command(
    "flicker",
    cls=Command,
    examples=(
        "scenivid eval flicker --source examples/clip.mp4 --styled examples/clip.mp4 --report report/",
    ),
)
@click.option(
    "--source", required=True, type=click.Path(path_type=Path), help="The footage that was stylized."
)
@click.option("--styled", required=True, type=click.Path(path_type=Path), help="The result to judge.")
@click.option("--per-frame", type=click.Path(path_type=Path), help="The same style with --consistency 0.")
@click.option(
    "--flow", type=click.Choice(["auto", "raft-large", "raft-small", "dis"]), default="dis", show_default=True
)
@click.option("--flow-weights", type=click.Path(path_type=Path), help="RAFT weights from a file.")
@click.option("--start", type=Seconds(), help="Where the result begins in the source, as given to stylize.")
@click.option("--duration", type=Seconds(), help="How much of the source it shows, as given to stylize.")
@click.option("--long-side", type=click.IntRange(64), help="Shrink larger frames to this before measuring.")
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--report", type=click.Path(path_type=Path), help="Folder for one HTML page with plots and strips."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line on stdout at the end.")
def flicker(
    source: Path,
    styled: Path,
    per_frame: Path | None,
    flow: str,
    flow_weights: Path | None,
    start: Fraction | None,
    duration: Fraction | None,
    long_side: int | None,
    device: str,
    report: Path | None,
    as_json: bool,
) -> None:
    """Flicker of a stylized video beside the guards that a blurred or frozen video would fail."""
    from scenivid.evaluation.flicker import FlickerSettings, evaluate_flicker
    from scenivid.evaluation.report import write_report

    settings = FlickerSettings(
        flow=flow,
        flow_weights=flow_weights,
        start=start,
        duration=duration,
        long_side=long_side,
        device=device,
    )
    with shown("measuring") as tell:
        measured = evaluate_flicker(source, styled, per_frame, settings, tell)
    terminal.table(("metric", "source", "per-frame", "output", "better"), measured.table(), err=True)
    for warning in measured.warnings:
        terminal.say(warning)
    if report is not None:
        terminal.say(str(write_report(measured, report)), "done")
    if as_json:
        click.echo(measured.to_json())


@command.command(
    "images",
    cls=Command,
    examples=(
        "scenivid eval images --generated data/open/photos --content data/open/photos "
        "--style data/open/paintings",
    ),
)
@click.option(
    "--generated", required=True, type=click.Path(path_type=Path), help="Folder of stylized images."
)
@click.option(
    "--style", required=True, type=click.Path(path_type=Path), help="Folder of images in the style."
)
@click.option(
    "--content", required=True, type=click.Path(path_type=Path), help="Folder of the sources, same names."
)
@click.option("--device", default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line on stdout at the end.")
def images(generated: Path, style: Path, content: Path, device: str, as_json: bool) -> None:
    """How near the generated images are to the style, and how much of the content they keep."""
    from scenivid.evaluation.images import ImagesSettings, evaluate_images

    with shown("measuring", "images") as tell:
        measured = evaluate_images(generated, style, content, ImagesSettings(device=device), tell)
    terminal.table(("metric", "generated", "content", "better"), measured.table(), err=True)
    for warning in measured.warnings:
        terminal.say(warning)
    if as_json:
        click.echo(measured.to_json())
