"""scenivid batch: folders of videos and trees of frame folders."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from scenivid.cli.options import Command, stylize_options
from scenivid.cli.progress import shown
from scenivid.cli.stylize import settings_from

EXAMPLES = ("scenivid batch examples/ stylized/ --style none",)


@click.command("batch", cls=Command, examples=EXAMPLES)
@click.argument("source", metavar="IN_DIR", type=click.Path(path_type=Path))
@click.argument("output", metavar="OUT_DIR", type=click.Path(path_type=Path))
@stylize_options
@click.pass_context
def command(context: click.Context, /, source: Path, output: Path, as_json: bool, **options: Any) -> None:
    """Stylize every video and every folder of frames below IN_DIR into OUT_DIR, under the same names.

    What is there already is skipped, so the same command goes on after a stop. A file that fails is
    reported and the rest is finished; the status is 1 if any failed.
    """
    from scenivid.jobs import Job, Result, find_jobs, run_jobs

    jobs = find_jobs(source, output, settings_from(options))
    results: list[Result] = []
    with shown("files", unit="files") as tell:

        def begun(index: int, job: Job) -> None:
            tell(index, len(jobs))
            click.echo(f"[{index + 1}/{len(jobs)}] {job.source}", err=True)

        for result in run_jobs(jobs, begun=begun):
            results.append(result)
            if result.status == "failed":
                click.echo(f"error: {result.message}", err=True)
        tell(len(jobs), len(jobs))
    _print(results)
    counts = Counter(result.status for result in results)
    if as_json:
        totals = {status: counts[status] for status in ("done", "skipped", "failed")}
        click.echo(json.dumps({**totals, "jobs": [result.as_json() for result in results]}))
    if counts["failed"]:
        context.exit(1)


def _print(results: list[Any]) -> None:
    table = Table("source", "status", "frames", "seconds", "remarks", box=None)
    colour = {"done": "green", "skipped": "yellow", "failed": "red"}
    for result in results:
        status = f"[{colour[result.status]}]{result.status}[/]"
        table.add_row(str(result.source), status, str(result.frames), f"{result.seconds:.1f}", result.message)
    Console(stderr=True).print(table)
