"""scenivid weights: what can be downloaded."""

from __future__ import annotations

import json

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command


@click.group("weights")
def command() -> None:
    """List and fetch the weights that others publish: flow, semantics, losses, measures, styles.

    \b
    Example:
      scenivid weights list
    """


@command.command("list", cls=Command, examples=("scenivid weights list",))
@click.option("--check", is_flag=True, help="Compare what is here with the published checksums.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def list_(check: bool, as_json: bool) -> None:
    """Show each file: what for, licence, where it comes from, and where to put it by hand."""
    from scenivid.styles.published import is_here, kept_at
    from scenivid.weights.catalogue import CATALOGUE, TOGETHER
    from scenivid.weights.published import matches

    if as_json:
        terminal.out(
            json.dumps(
                [{**vars(entry), "path": str(kept_at(entry)), "here": is_here(entry)} for entry in CATALOGUE]
            )
        )
        return
    for entry in CATALOGUE:
        state = "here" if is_here(entry) else "not here"
        if check and entry.sha256 and entry.here:
            state = "here, checksum right" if matches(entry) else "here, but DAMAGED or another file"
        terminal.out(f"{entry.name}: {entry.about} ({state})")
        terminal.out(f"  licence   {entry.licence}")
        terminal.out(f"  from      {entry.url}")
        if entry.parts:
            terminal.out(f"  files     {', '.join(part.replace('|', ' or ') for part in entry.parts)}")
        checksum = f"{entry.sha256}{'…' if len(entry.sha256) < 64 else ''}" or "not published"
        terminal.out(f"  SHA-256   {checksum}")
        terminal.out(f"  to        {kept_at(entry)}")
    for name, some in TOGETHER.items():
        terminal.out(f"{name}: {', '.join(entry.name for entry in some)}")


@command.command("fetch", cls=Command, examples=("scenivid weights fetch clip",))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Fetch all that `weights list` shows.")
@click.pass_context
def fetch(context: click.Context, names: tuple[str, ...], everything: bool) -> None:
    """Download each NAME, unless it is here already; status 1 if one can't be had."""
    from scenivid.errors import CheckpointError
    from scenivid.styles.published import obtain
    from scenivid.weights.catalogue import CATALOGUE, entries

    if bool(names) == everything:
        raise click.UsageError("give names, or --all")
    wanted = CATALOGUE if everything else dict.fromkeys(one for name in names for one in entries(name))
    failed = False
    for one in wanted:
        try:
            terminal.out(f"{one.name}: {obtain(one)}")
        except CheckpointError as error:
            failed = True
            terminal.fail(str(error))
    if failed:
        context.exit(1)
