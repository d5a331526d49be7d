"""scenivid batch: folders of videos, trees of frame folders, folders of pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.commands.stylize import settings_from
from scenivid.cli.crew import crew_for, crew_options
from scenivid.cli.options import progress_options, stylize_options
from scenivid.cli.parameters import Name, Number
from scenivid.cli.progress import crowded, metered

if TYPE_CHECKING:
    from scenivid.batch.jobs import Job, Result
    from scenivid.progress import Crowd, Meter

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
@crew_options
@click.option(
    "--shard",
    metavar="I/N",
    help="Be one of N such commands, on any machines that see the same folders, which share the work.",
)
@click.option("--claim-expires", type=Number(1), default=60, hidden=True)
@progress_options
@click.pass_context
def command(
    context: click.Context,
    /,
    source: Path,
    output: Path,
    kind: str,
    as_json: bool,
    workers: int | str,
    ray: str | None,
    shard: str | None,
    claim_expires: float,
    **options: Any,
) -> None:
    """Stylize every video, folder of frames and picture below IN_DIR into OUT_DIR, under the same names.

    What was made from the same source with the same settings is skipped, so the same command goes on after
    a stop. A file that fails is reported and the rest is finished; the status is 1 if any failed.
    """
    from scenivid.batch.jobs import find_jobs, run_jobs
    from scenivid.batch.shards import Claims, Shard, run_shard

    settings = settings_from(options)
    jobs = find_jobs(source, output, settings, kind)
    share = None if shard is None else Shard.parse(shard)
    if share is not None and settings.overwrite:
        raise click.UsageError("--shard and --overwrite don't go together: empty the output folder first")
    claims = Claims(claim_expires)
    results: list[Result] = []
    try:
        with ExitStack() as opened:
            if workers != 1 or ray is not None:
                output.mkdir(parents=True, exist_ok=True)
            sources = [job.source for job in jobs]
            crew = opened.enter_context(crew_for(workers, ray, settings.device, sources, output))
            told: _OneByOne | _SideBySide
            ran: Iterator[Result]
            if crew is not None:
                from scenivid.batch.together import run_together

                told = crowd = _SideBySide(opened.enter_context(crowded(len(jobs))), source, len(jobs))
                if share is None:
                    ran = run_together(jobs, crew, crowd.begun, crowd.ended)
                else:
                    shared = share.order(jobs)
                    ran = run_together(
                        shared, crew, crowd.begun, crowd.ended, claims, take_up=True, pause_s=claims.pause_s
                    )
            else:
                told = _OneByOne(opened.enter_context(metered(files=len(jobs))), source, len(jobs))
                if share is None:
                    ran = run_jobs(jobs, begun=told.begun)
                else:
                    ran = run_shard(jobs, share, claims, told.begun)
            for result in ran:
                results.append(result)
                told.over(result)
                if result.status == "failed":
                    terminal.fail(_named(result))
    finally:  # also after Ctrl-C: what is done is told
        _tell(results, len(jobs), as_json)
    if any(result.status == "failed" for result in results):
        context.exit(1)


class _OneByOne:
    """Tells of jobs that run one after the other."""

    def __init__(self, meter: Meter, root: Path, count: int) -> None:
        self._meter, self._root, self._count = meter, root, count

    def begun(self, index: int, job: Job) -> Callable[[int, int | None], None]:
        terminal.say(f"[{index + 1}/{self._count}] {job.source}", "begun")
        return self._meter.begin(_shown(job.source, self._root), index + 1)

    def over(self, result: Result) -> None:
        if result.status == "failed":
            self._meter.drop()
        else:
            self._meter.end()


class _SideBySide:
    """Tells of jobs that run at the same time."""

    def __init__(self, crowd: Crowd, root: Path, count: int) -> None:
        self._crowd, self._root, self._count = crowd, root, count

    def begun(self, index: int, job: Job) -> Callable[[int, int | None], None]:
        terminal.say(f"[{index + 1}/{self._count}] {job.source}", "begun")
        return self._crowd.begin(_shown(job.source, self._root))

    def ended(self, index: int, job: Job, failed: bool) -> None:
        self._crowd.end(_shown(job.source, self._root), failed)

    def over(self, result: Result) -> None:
        """`ended` has told it."""


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
