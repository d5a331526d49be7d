"""The end of a chain: figures, final sheet, stylised clip, and the page that shows them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path

from scenivid.engine.run import stylize
from scenivid.engine.settings import StylizeSettings
from scenivid.machine.aside import whole
from scenivid.training.chain.clip import make_clip
from scenivid.training.chain.measure import measure, sheet
from scenivid.training.chain.page import write_page
from scenivid.training.chain.recipe import Recipe
from scenivid.training.programs.translator import STYLE
from scenivid.training.run.log import save_png
from scenivid.video.compare import compare

logger = logging.getLogger(__name__)
_LEAST_SHEET = 128


def finish(recipe: Recipe, out: Path, style: Path, seconds: dict[str, float]) -> None:
    """Measure, stylise and write the page; nothing in it is random, so a second time gives the same.

    Args:
        style: the lite network's file.
        seconds: spent on each stage.
    """
    styles = {"translator": out / "translator" / STYLE, "lite": style}
    augment = recipe.translator.augment
    figures = measure(recipe.photos, recipe.anime, styles, augment, recipe.crops)
    with whole(out / "figures.json") as part:
        held = {"crops": recipe.crops, "side": augment.size, "sets": [asdict(row) for row in figures]}
        part.write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
    side = max(_LEAST_SHEET, min(augment.size, 256) // 16 * 16)
    save_png(sheet(recipe.photos, styles, side), out / "sheet.png")
    source = recipe.clip or make_clip(recipe.photos, out / "clip")
    settings = StylizeSettings(style=str(style), overwrite=True)
    report = stylize(source, out / "styled.mp4", settings)
    compare(source, out / "styled.mp4", out / "compare.mp4", overwrite=True)
    logger.info("stylised %d frames of %s", report.frames, source)
    page = write_page(recipe, out, figures, seconds)
    logger.info("the chain's page: %s", page)
