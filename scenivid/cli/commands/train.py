"""scenivid train: one program a stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.options import progress_options
from scenivid.cli.parameters import Number
from scenivid.cli.progress import shown

PROGRAMS = {
    "data": "Make a data set of films and photographs.",
    "chain": "The five below, from stylegan to lite, as one run that ends with a page.",
    "stylegan": "Train a StyleGAN2 on photographs.",
    "finetune": "Move it to the anime domain under semantic constraints.",
    "pairs": "Sample pseudo pairs from both and select the good ones.",
    "translator": "Train the translator on pairs and unpaired images.",
    "lite": "Train a fast style on painted pairs.",
    "flow": "Train raft-small on synthetic motion.",
}
_SHORT = {
    "inputs": {"data": "inputs"},
    "frames": {"data": "frames"},
    "photos": {"chain": "photos", "pairs": "photo.photos"},
    "anime": {"chain": "anime"},
    "source": {"pairs": "pairs"},
}
"""What can be said without `--set`: for which programs, and their key."""
EXAMPLES = (
    "scenivid train data films/ photos/ --out data/mine --dry-run",
    "scenivid train chain --photos photos/ --anime paintings/ --out runs/chain --preset tiny --dry-run",
    "scenivid train flow --recipe train/recipes/flow.toml --set run.steps=500 --out runs/flow --dry-run",
)


@click.command("train", cls=Command, examples=EXAMPLES)
@click.argument("program", type=click.Choice(list(PROGRAMS)))
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--frames",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For data: a JSON list of the frames to take, {film: [numbers]}.",
)
@click.option(
    "--recipe",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file. [default: the program's defaults]",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one setting; repeatable."
)
@click.option("--photos", type=click.Path(path_type=Path), help="For chain and pairs: folder of photographs.")
@click.option("--anime", type=click.Path(path_type=Path), help="For chain: folder of pictures of the style.")
@click.option(
    "--source",
    type=click.Choice(["stylegan", "painter", "diffusers", "folder"]),
    help="For pairs: what makes them. [default: the recipe's, stylegan]",
)
@click.option(
    "--preset",
    type=click.Choice(["tiny", "256", "paper"]),
    help="For chain, in place of --recipe: for two CPU cores, one GPU, or many. [default: tiny]",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/PROGRAM]")
@click.option("--minutes", type=Number(0, min_open=True), help="Stop (and save) after this time.")
@click.option("--resume", is_flag=True, help="Insist on going on: an error if there is no run to resume.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check the data, print sizes, parameters, steps and memory; train nothing.",
)
@progress_options
def command(
    program: str,
    inputs: tuple[Path, ...],
    frames: Path | None,
    recipe: Path | None,
    overrides: tuple[str, ...],
    photos: Path | None,
    anime: Path | None,
    source: str | None,
    preset: str | None,
    out: Path | None,
    minutes: float | None,
    resume: bool,
    dry_run: bool,
) -> None:
    """Train a network. The same command again goes on where it stopped.

    PROGRAM is one of stylegan, finetune, pairs, translator (the paper's chain), lite and flow; chain, which
    runs them one after the other, up to a lite network that the translator teaches; or data, which makes a
    data set of INPUTS: films, photographs, and folders of them.
    """
    from scenivid.errors import ConfigError
    from scenivid.training.recipe import load_recipe
    from scenivid.training.run.checkpoint import CHECKPOINT

    folder = out or Path("runs") / program
    module = import_module(f"scenivid.training.programs.{program}")
    if resume and not (folder / getattr(module, "BEGUN", CHECKPOINT)).exists():
        raise ConfigError(f"--resume: {folder} holds no run; leave --resume out to begin one")
    if program == "chain":
        if preset and recipe:
            raise click.UsageError("--preset is a recipe itself: give one or the other")
        recipe = recipe or module.preset(preset or "tiny")
    elif preset:
        raise click.UsageError(f"--preset is for chain; for {program}: --recipe FILE")
    given = {"inputs": inputs, "frames": frames, "photos": photos, "anime": anime, "source": source}
    settings: Any = load_recipe(module.Recipe, recipe, (*overrides, *_said(program, given)))
    with shown(program, unit=getattr(module, "UNIT", "steps"), resumed=True) as tell:
        path = module.run(
            settings,
            folder,
            minutes=minutes,
            dry_run=dry_run,
            progress=lambda now: tell(now.step, now.steps),
        )
    terminal.out("dry run: nothing was trained" if dry_run else str(path))


def _said(program: str, given: Mapping[str, Any]) -> list[str]:
    """Options and inputs in the words of `--set`."""
    said = []
    for name, value in given.items():
        if not value:
            continue
        if program not in _SHORT[name]:
            raise click.UsageError(
                f"{name} is for {' and '.join(_SHORT[name])}; for {program}: --set KEY=VALUE, or its recipe"
            )
        plain = [str(item) for item in value] if isinstance(value, tuple) else str(value)
        said.append(f"{_SHORT[name][program]}={json.dumps(plain)}")
    return said
