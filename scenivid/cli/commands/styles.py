"""scenivid styles: list, info, import, export, sheet, learn."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.options import progress_options
from scenivid.cli.parameters import Name, Number, Seconds
from scenivid.cli.progress import shown


@click.group("styles")
def command() -> None:
    """List, inspect, import, export, show and learn styles.

    \b
    Example:
      scenivid styles list
    """


@command.command("list", cls=Command, examples=("scenivid styles list",))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def list_(as_json: bool) -> None:
    """Show the styles that can be used by name."""
    from scenivid.styles.zoo import entries

    found = entries()
    if as_json:
        click.echo(
            json.dumps([{**asdict(entry.card), "name": entry.name, "place": entry.place} for entry in found])
        )
        return
    terminal.table(
        ("name", "place", "network", "licence", "about"),
        [
            (entry.name, entry.place, entry.card.architecture, entry.card.licence, entry.card.description)
            for entry in found
        ],
    )


@command.command("info", cls=Command, examples=("scenivid styles info aozora",))
@click.argument("name", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def info(name: str, as_json: bool) -> None:
    """Show a style's model card: network, data and licences, recipe, figures, limits."""
    from scenivid.styles.zoo import card_of

    card = asdict(card_of(name))
    if as_json:
        click.echo(json.dumps(card))
        return
    rows = [
        (key.replace("_", " "), value if isinstance(value, str) else json.dumps(value, indent=1))
        for key, value in card.items()
    ]
    terminal.table(("field", "value"), rows)


@command.command("import", cls=Command, examples=("scenivid styles import my_style.safetensors --as mine",))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as", "name", help="Name to use it by. [default: from the file's name]")
def import_(file: Path, name: str | None) -> None:
    """Make a style of FILE: Scenimefy's Shinkai_net_G.pth, or a .safetensors of ours."""
    from scenivid.styles.published import import_checkpoint

    card = import_checkpoint(file, name)
    terminal.out(f"{card.name}: {card.licence}; use it with --style {card.name}")


@command.command("export", cls=Command, examples=("scenivid styles export aozora aozora.onnx",))
@click.argument("name", metavar="NAME|FILE")
@click.argument("output", metavar="FILE.onnx", type=click.Path(path_type=Path))
def export(name: str, output: Path) -> None:
    """Write a style as ONNX: any batch, height and width; RGB in [0, 1]."""
    from scenivid.styles.onnx.export import export_onnx

    export_onnx(name, output)
    terminal.out(str(output))


@command.command("sheet", cls=Command, examples=("scenivid styles sheet examples/clip.mp4 sheet.jpg",))
@click.argument("source", metavar="IN", type=Name())
@click.argument("output", metavar="OUT.jpg", type=Name())
@click.option("--at", type=Seconds(), default="0", help="Which frame of a video. [default: the first]")
@click.option(
    "--style",
    "styles",
    multiple=True,
    metavar="NAME|FILE",
    help="Only these, in this order. [default: all that are on this machine]",
)
@click.option("--strength", type=Number(0, 1), default=1.0, show_default=True)
@click.option("--ink", type=Number(0, 1), default=None, help="[default: each style's own]")
@click.option("--width", type=click.IntRange(16), default=480, show_default=True, help="Of one picture.")
@click.option("--columns", type=click.IntRange(1), help="Pictures in a row. [default: what looks even]")
@click.option("--labels/--no-labels", default=True, help="Write names below the pictures.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
def sheet(
    source: Path,
    output: Path,
    at: Fraction,
    styles: tuple[str, ...],
    strength: float,
    ink: float | None,
    width: int,
    columns: int | None,
    labels: bool,
    device: str,
    overwrite: bool,
) -> None:
    """Put a picture, or a frame of a video, beside what each style makes of it: one labelled sheet."""
    from scenivid.engine.settings import StylizeSettings
    from scenivid.engine.sheet import SheetSettings, sheet

    look = StylizeSettings(strength=strength, ink=ink, device=device)
    made = sheet(source, output, SheetSettings(styles, at, width, columns, labels, look, overwrite))
    terminal.out(f"{output}: {', '.join(made)}")


@command.command("learn", cls=Command, examples=("scenivid styles learn paintings/ --name mine --minutes 9",))
@click.argument("pictures", metavar="PICTURES...", nargs=-1, required=True, type=Name())
@click.option("--name", required=True, help="What --style shall call it.")
@click.option(
    "--minutes",
    type=Number(0, min_open=True),
    default=15.0,
    show_default=True,
    help="How long to train; the same command with more goes on.",
)
@click.option(
    "--from",
    "start",
    default="aozora",
    show_default=True,
    metavar="NAME|FILE",
    help="The lite style to begin with.",
)
@click.option(
    "--photos",
    type=Name(),
    metavar="DIR|VIDEO",
    help="What is painted in training: photographs, or your own clip. [default: what is at hand]",
)
@click.option(
    "--ink",
    type=click.Choice(["learn", "off"]),
    default="learn",
    show_default=True,
    help="Draw lines, or colours alone.",
)
@click.option("--licence", default="", metavar="TEXT", help="Of the pictures, for the style's card.")
@click.option("--out", type=Name(), help="Folder of the run. [default: runs/NAME]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line on stdout at the end.")
@progress_options
def learn(pictures: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Make a style of your own from PICTURES: 1 to 500 pictures, or folders of them.

    OUT/sheet.png shows every minute how far it is. Ctrl-C keeps the best so far; the same command goes on.
    """
    from scenivid.learn.run import LearnSettings, learn_style

    settings = LearnSettings(**options)
    with shown(settings.name, unit="s", resumed=True) as tell:
        learnt = learn_style(pictures, settings, lambda done, total: tell(int(done), int(total)))
    for key, value in learnt.figures.items():
        terminal.say(f"{key.replace('_', ' ')}: {value}")
    terminal.say(f"{learnt.path}; sheet: {learnt.sheet}; card: scenivid styles info {settings.name}", "done")
    if as_json:
        click.echo(json.dumps({"style": str(learnt.path), "sheet": str(learnt.sheet), **learnt.figures}))
    else:
        terminal.out(learnt.usage)
