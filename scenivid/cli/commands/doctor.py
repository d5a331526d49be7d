"""scenivid doctor: check the installation."""

from __future__ import annotations

from pathlib import Path

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command


@click.command("doctor", cls=Command, examples=("scenivid doctor",))
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def command(context: click.Context, folders: tuple[Path, ...]) -> None:
    """Check packages, devices, codecs and weights, and say what to fix; status 1 if something is broken.

    What killed runs have left in each FOLDER (default: this one) and below it is named.
    """
    from scenivid.doctor import examine

    findings = list(examine(folders or (Path(),)))
    terminal.table(
        ("", "what", "found"),
        [("ok" if finding.good else "fix", finding.subject, finding.text) for finding in findings],
        ["green" if finding.good else "red" for finding in findings],
    )
    if not all(finding.good for finding in findings):
        context.exit(1)
