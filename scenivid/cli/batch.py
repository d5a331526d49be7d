"""scenivid batch: folders of videos, trees of frame folders, folders of pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenivid.cli import terminal
from scenivid.cli.options import Command, Name, progress_options, stylize_options
from scenivid.cli.progress import metered
from scenivid.cli.stylize import settings_from

if TYPE_CHECKING:
    from scenivid.batch.jobs import Job, Result

EXAMPLES = ("scenivid batch examples/ stylized/ --style none",)
_COLOURS = {"done": "green", "skipped": "yellow", "failed": "red"}


@click.command("batch", cls=Command, examples=EXAMPLES)
@click.argument("source", metavar="IN_DIR", type=Name())
@click.argument("output", metavar="OUT_DIR", type=Name())
@click.option(
    "--as",
    "kind",
    type=click.Choice(["auto", "frames", "pictures"]),
    default="auto",
    show_default=True,
    help="What pictures are that lie together: frames of a video, or each for itself; auto: frames"
    " if their names count up and their sizes are the same.",
)
@stylize_options
@progress_options
@click.pass_context
def command(
    context: click.Context, /, source: Path, output: Path, kind: str, as_json: bool, **options: Any
) -> None:
    """Stylize every video, folder of frames and picture below IN_DIR into OUT_DIR, under the same names.

    What was made from the same source with the same settings is skipped, so the same command goes on after
    a stop. A file that fails is reported and the rest is finished; the status is 1 if any failed.
    """
    from scenivid.batch.jobs import find_jobs, run_jobs

    jobs = find_jobs(source, output, settings_from(options), kind)
    results: list[Result] = []
    try:
        with metered(files=len(jobs)) as meter:

            def begun(index: int, job: Job) -> Callable[[int, int | None], None]:
                terminal.say(f"[{index + 1}/{len(jobs)}] {job.source}", "begun")
                return meter.begin(_shown(job.source, source), index + 1)

            for result in run_jobs(jobs, begun=begun):
                results.append(result)
                if result.status == "failed":
                    meter.drop()
                    terminal.fail(_named(result))
                else:
                    meter.end()
    finally:  # also after Ctrl-C: what is done is told
        _tell(results, len(jobs), as_json)
    if any(result.status == "failed" for result in results):
        context.exit(1)


def _tell(results: list[Result], jobs: int, as_json: bool) -> None:
    rows = [
        (result.status, str(result.source), str(result.frames), f"{result.seconds:.1f}", result.message)
        for result in results
    ]
    colours = [_COLOURS[result.status] for result in results]
    terminal.table(("status", "source", "frames", "seconds", "remarks"), rows, colours, err=True)
    counts = Counter[str](result.status for result in results)
    totals = {status: counts[status] for status in _COLOURS}
    left = jobs - len(results)
    words = [f"{count} {status}" for status, count in totals.items()] + (
        [f"{left} not begun"] if left else []
    )
    terminal.say(f"{jobs} sources: {', '.join(words)}", "done")
    if as_json:
        click.echo(json.dumps({**totals, "jobs": [result.as_json() for result in results]}))


def _named(result: Result) -> str:
    """The message, with the source before it unless it names it anyway."""
    named = str(result.source) in result.message
    return result.message if named else f"{result.source}: {result.message}"


def _shown(path: Path, root: Path) -> str:
    return path.name if path == root else str(path.relative_to(root))
