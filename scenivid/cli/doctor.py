"""scenivid doctor: check the installation."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from scenivid.cli.options import Command


@click.command("doctor", cls=Command, examples=("scenivid doctor",))
@click.pass_context
def command(context: click.Context) -> None:
    """Check versions, devices, codecs and weights, and say what to mend; status 1 if something is broken."""
    from scenivid.doctor import examine

    table = Table("", "what", "found", box=None)
    findings = list(examine())
    for finding in findings:
        table.add_row("[green]ok[/]" if finding.good else "[red]mend[/]", finding.subject, finding.text)
    Console().print(table)
    if not all(finding.good for finding in findings):
        context.exit(1)
