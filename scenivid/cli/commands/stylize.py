"""scenivid stylize: one video or frame folder."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.crew import crew_for, crew_options
from scenivid.cli.options import progress_options, stylize_options
from scenivid.cli.parameters import Name, Seconds
from scenivid.cli.progress import shown

EXAMPLES = (
    "scenivid stylize examples/clip.mp4 out.mp4",
    "scenivid stylize examples/clip.mp4 frames/ --duration 0.2 --strength 0.6",
)


@click.command("stylize", cls=Command, examples=EXAMPLES)
@click.argument("source", metavar="INPUT", type=Name())
@click.argument("output", metavar="OUTPUT", type=Name())
@stylize_options
@crew_options
@progress_options
@click.option("--start", type=Seconds(), help="Begin this long after the first frame.")
@click.option("--duration", type=Seconds(), help="Stop after this long.")
@click.option(
    "--stream",
    type=click.Choice(["y4m", "png", "ppm", "jpeg"]),
    help="What goes to the standard output if OUTPUT is -. [default: y4m]",
)
def command(
    source: Path,
    output: Path,
    as_json: bool,
    start: Fraction | None,
    duration: Fraction | None,
    stream: str | None,
    workers: int | str,
    ray: str | None,
    **options: Any,
) -> None:
    """Stylize INPUT, a video file or a folder of frames, into OUTPUT, a video file or a folder.

    Sound, subtitles, chapters and timing are kept. - as INPUT is the standard input, as OUTPUT the standard
    output.
    """
    from scenivid.cluster.crew import Alone
    from scenivid.cluster.film import left_in_parts, stylize_in_parts
    from scenivid.engine import stylize

    if as_json and str(output) == "-":
        raise click.UsageError(
            "--json and a video can't share the standard output: --progress json tells on stderr"
        )
    settings = settings_from(options, start=start, duration=duration, stream=stream)
    shared = workers != 1 or ray is not None
    if shared and "-" in (str(source), str(output)):
        raise click.UsageError("--workers and --ray are for files: a pipe goes through one process")
    with (
        crew_for(workers, ray, settings.device, [source], output.absolute().parent) as crew,
        shown(source.name) as tell,
    ):
        if crew is not None:
            report = stylize_in_parts(source, output, settings, crew, tell)
        elif settings.resume and left_in_parts(output):
            report = stylize_in_parts(source, output, settings, Alone(), tell)
        else:
            report = stylize(source, output, settings, tell)
    for note in report.notes:
        terminal.say(note)
    place = "standard output" if str(output) == "-" else report.output
    frames = f"{report.frames} frame{'s' if report.frames != 1 else ''}"
    terminal.say(f"{place}: {frames} in {report.seconds:.1f} s ({report.fps:.1f} fps)", "done")
    if as_json:
        click.echo(json.dumps(report.as_json()))


def settings_from(options: dict[str, Any], **more: Any) -> Any:
    """The engine's settings from the shared options."""
    from scenivid.engine import StylizeSettings
    from scenivid.styles.onnx.options import OnnxOptions

    values = dict(options)
    onnx = OnnxOptions(
        layout=values.pop("onnx_layout"),
        value_range=values.pop("onnx_range"),
        channels=values.pop("onnx_channels"),
    )
    weights = values.pop("flow_weights")
    if values["consistency"] is None:
        values.pop("consistency")
    return StylizeSettings(**values, flow_weights=Path(weights) if weights else None, onnx=onnx, **more)
