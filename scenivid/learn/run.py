"""One command's work: pictures in, a style under a name out, with a card, a sheet and figures.

learnt = learn_style([Path("a.jpg"), Path("b.jpg")], LearnSettings("mine", minutes=15))
print(learnt.usage)
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.learn.gather import Material, gather, picture
from scenivid.learn.measure import measure, measure_flicker, painter
from scenivid.machine.aside import whole
from scenivid.nets.checkpoint import UNKNOWN_LICENCE, ModelCard, load_checkpoint, read_card, save_checkpoint
from scenivid.nets.lite import Lite
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.styles.places import models_dir
from scenivid.styles.published import check_name
from scenivid.styles.zoo import entries, find
from scenivid.training.learning.program import LearnProgram
from scenivid.training.learning.recipe import Recipe
from scenivid.training.run.checkpoint import CHECKPOINT, read_checkpoint
from scenivid.training.run.log import grid, save_png
from scenivid.training.run.loop import Progress, train
from scenivid.training.run.watchdog import Sign

_SIGNS = (
    Sign("temporal", 0.5, True, "the output jumps when the input moves a little"),
    Sign("anchor", 1.5, True, "the picture is lost"),
)
_SHEET_SIDE = (192, 288)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LearnSettings:
    """What is asked for, besides the pictures."""

    name: str
    """That `--style` will know."""
    minutes: float = 15.0
    start: str = "aozora"
    """The style to begin with."""
    photos: Path | None = None
    """A folder of photographs, or a video; None takes what is at hand."""
    ink: Literal["learn", "off"] = "learn"
    licence: str = ""
    """Of the style, for its card; empty: unknown."""
    out: Path | None = None
    """Folder of the run; None: runs/NAME."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ConfigError(f"minutes must be above 0, got {self.minutes}")

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.out or Path("runs") / self.name


@dataclass(frozen=True)
class Learnt:
    """A style that was learnt."""

    path: Path
    """The file, also kept under its name."""
    sheet: Path
    figures: Mapping[str, Any]
    notes: tuple[str, ...]
    usage: str
    """A command that uses it."""


Tell = Callable[[float, float], None]
"""Seconds trained, and seconds in all."""


def learn_style(pictures: Sequence[Path], settings: LearnSettings, tell: Tell | None = None) -> Learnt:
    """Learn a look from 1 to 500 pictures; the same call goes on where it stopped.

    OUT/sheet.png shows every minute how far it is. However it ends, the best so far is kept under the name.

    Raises:
        ConfigError: the name is taken or none, the start is no lite style, or OUT holds another run.
        DataError: no usable pictures or photographs.
        DependencyError: the extra `train` isn't installed.
        DivergedError: the training broke down.
        Cancelled: Ctrl-C or SIGTERM; the best so far is kept.
    """
    name, folder = check_name(settings.name), settings.folder
    taken = next((one for one in entries() if one.name == name and one.place != "installed"), None)
    if taken is not None:
        raise ConfigError(f"{name} is an {taken.place} style: choose another --name")
    start = find(settings.start)
    base, base_card = load_checkpoint(start)
    if not isinstance(base, Lite):
        raise ConfigError(
            f"{settings.start} is a {base_card.architecture} network: --from takes a lite style"
        )
    folder.mkdir(parents=True, exist_ok=True)
    material = gather(pictures, settings.photos, folder / "photos")
    for note in material.notes:
        _log.warning("%s", note)
    recipe = _recipe(settings, material, start, base_card)
    sheet = folder / "sheet.png"

    def looked(rows: Tensor, figures: Mapping[str, float]) -> None:
        rows = F.interpolate(rows, _SHEET_SIDE, mode="area")
        with whole(sheet) as part:
            save_png(grid(list(torch.split(rows, len(rows) // 3))), part)

    held = torch.cat([_cut(picture(entry)) for entry in material.held_photos])
    program = LearnProgram(recipe, list(material.photos), held, looked)
    total = 60 * settings.minutes
    style = folder / f"{name}.safetensors"
    card = _card(settings, material, base, base_card, program)

    def export(step: int) -> None:
        program.look()
        _keep(style, program, replace(card, recipe=f"{card.recipe}, {step} steps"))

    def progress(_: Progress) -> None:
        if tell is not None:
            tell(min(program.clock.spent, total), total)

    left = total - _spent(folder)
    if left > 0:
        train(
            program,
            recipe,
            folder,
            recipe.run,
            minutes=left / 60,
            progress=progress,
            signs=_SIGNS,
            export=export,
        )
    if not style.is_file():
        raise ConfigError(
            f"{folder} holds a run of {settings.minutes:g} minutes: give it more with --minutes"
        )
    figures = _figures(material, style, (base, program.start_ink), program.ink)
    made, last = load_checkpoint(style)
    save_checkpoint(style, made, replace(last, figures=figures), torch.float16)
    _install(style, name)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    usage = f"scenivid stylize in.mp4 out.mp4 --style {name}"
    return Learnt(style, sheet, figures, material.notes, usage)


def _recipe(settings: LearnSettings, material: Material, start: Path, card: ModelCard) -> Recipe:
    base = Recipe()
    return replace(
        base,
        run=replace(base.run, seed=settings.seed),
        pictures=material.pictures,
        photos=settings.photos or Path("what was at hand"),
        start=start,
        minutes=settings.minutes,
        ink=settings.ink,
        paint=card.paint or base.paint,
    )


def _card(
    settings: LearnSettings, material: Material, base: Lite, card: ModelCard, program: LearnProgram
) -> ModelCard:
    names = [path.name for path in material.pictures]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return ModelCard(
        name=settings.name,
        architecture="lite",
        params=asdict(program.net.net.params),
        description=f"Learnt from {len(names)} picture{'s' if len(names) > 1 else ''}: {shown}",
        licence=settings.licence or UNKNOWN_LICENCE,
        commercial_use=False,
        data=(
            f"pictures: {shown}; licence: {settings.licence or 'not given'}",
            f"content: {material.told}",
            f"start: {card.name} ({card.licence})",
        ),
        paint=card.paint,
        ink=program.ink if base.params.line else None,
        recipe=f"scenivid styles learn --name {settings.name} --minutes {settings.minutes:g} "
        f"--from {settings.start}",
        limits="Learnt in minutes: palette, tone and texture of the pictures, not their shapes.",
        notes="; ".join(material.notes),
    )


def _keep(style: Path, program: LearnProgram, card: ModelCard) -> None:
    """The best weights so far, in the run's folder and under the name."""
    save_checkpoint(style, program.best.net, card, torch.float16)
    _install(style, card.name)


def _install(style: Path, name: str) -> None:
    target = models_dir() / f"{name}.safetensors"
    if target.is_file() and not read_card(target).recipe.startswith("scenivid styles learn"):
        raise ConfigError(f"{target} is a style of another making: choose another --name")
    with whole(target) as part:
        shutil.copyfile(style, part)


def _figures(material: Material, style: Path, start: tuple[Lite, float], ink: float) -> dict[str, Any]:
    made, _ = load_checkpoint(style)
    assert isinstance(made, Lite)
    base, own_ink = start
    styles = {"start": painter(base.float(), own_ink), "learnt": painter(made.float(), ink)}
    measured, rows = measure(material, styles, load_efficientnet())
    with whole(style.parent / "sheet.png") as part:
        save_png(rows, part)
    figures: dict[str, Any] = {
        f"{key}_{name}": round(value, 4) for name, values in measured.items() for key, value in values.items()
    }
    flicker = None if material.clip is None else measure_flicker(material.clip, style)
    if flicker is not None:
        figures["e_warp_over_source"] = round(flicker, 3)
    figures["held_out"] = (
        f"{len(material.held_pictures)} pictures, {len(material.held_photos)} photographs"
        if material.held_out
        else f"{len(material.held_photos)} photographs; pictures are those learnt from"
    )
    return figures


def _cut(image: Tensor) -> Tensor:
    """2 : 3 in the middle, [1, 3, 240, 352]: as much as a look a minute may cost."""
    height, width = image.shape[-2:]
    tall, wide = min(height, width * 15 // 22), min(width, height * 22 // 15)
    top, left = (height - tall) // 2, (width - wide) // 2
    image = image[..., top : top + tall, left : left + wide]
    return F.interpolate(image, (240, 352), mode="bicubic", antialias=True).clamp(0, 1)


def _spent(folder: Path) -> float:
    """Seconds that the run in a folder has trained."""
    path = folder / CHECKPOINT
    return float(read_checkpoint(path)["state"]["clock"]["spent"]) if path.is_file() else 0.0
