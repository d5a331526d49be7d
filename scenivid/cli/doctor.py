"""scenivid doctor: check the installation."""

from __future__ import annotations

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scenivid.cli.options import Command


@click.command("doctor", cls=Command, examples=("scenivid doctor",))
@click.pass_context
def command(context: click.Context) -> None:
    """Check packages, devices, codecs and weights, and say what to fix; status 1 if something is broken."""
    from scenivid.doctor import examine

    table = Table("", "what", "found", box=None)
    findings = list(examine())
    for finding in findings:
        table.add_row(
            "[green]ok[/]" if finding.good else "[red]fix[/]", escape(finding.subject), escape(finding.text)
        )
    Console().print(table)
    if not all(finding.good for finding in findings):
        context.exit(1)
