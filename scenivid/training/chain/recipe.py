"""Settings of the whole chain: one table a stage, and how a time budget is divided among them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from scenivid.errors import ConfigError
from scenivid.nets.lite import LiteParams
from scenivid.training.lite import recipe as lite_recipe
from scenivid.training.programs import finetune, pairs, stylegan
from scenivid.training.programs.translator import STYLE
from scenivid.training.recipe import harmless
from scenivid.training.stylegan.results import NETWORKS
from scenivid.training.translator import recipe as translator_recipe

STAGES = ("stylegan", "finetune", "pairs", "translator", "lite")
PRESETS = ("tiny", "256", "paper")


@dataclass(frozen=True)
class Shares:
    """Shares of the time, where it is limited; what a stage leaves over goes to those after it."""

    stylegan: float = harmless(0.45)
    finetune: float = harmless(0.12)
    pairs: float = harmless(0.05)
    translator: float = harmless(0.26)
    lite: float = harmless(0.1)
    page: float = harmless(0.02)
    """For the figures, the sheet and the clip at the end."""

    def __post_init__(self) -> None:
        if min(vars(self).values()) <= 0:
            raise ConfigError("shares: each must be above 0")


@dataclass(frozen=True)
class Recipe:
    """Settings of one chain. Folders and files that pass from stage to stage are filled in by themselves."""

    program: Literal["chain"] = "chain"
    photos: Path = Path("data/open/photos")
    anime: Path = Path("data/open/paintings")
    """Pictures of the style."""
    clip: Path | None = harmless(None)
    """Video that is stylised at the end; none = a slow look across one of the photographs."""
    source: Path | None = None
    """Networks of a StyleGAN2 of photographs, of the published layout, in place of the first stage."""
    name: str = harmless("chain")
    """Of the style files that are written."""
    licence: str = harmless("")
    """Of the styles; empty = unknown, and their cards say so."""
    commercial_use: bool = harmless(False)
    data: tuple[str, ...] = harmless(())
    """Sources of the images with their licences, for the cards."""
    crops: int = 256
    """Crops on which the distances to the style are taken."""
    shares: Shares = Shares()
    stylegan: stylegan.Recipe = stylegan.Recipe()
    finetune: finetune.Recipe = finetune.Recipe()
    pairs: pairs.Recipe = pairs.Recipe()
    translator: translator_recipe.Recipe = translator_recipe.Recipe()
    lite: lite_recipe.Recipe = lite_recipe.Recipe(network=LiteParams(line=False))

    def __post_init__(self) -> None:
        if self.crops < 8:
            raise ConfigError("crops must be at least 8")
        if self.lite.strengths or self.lite.network.line:
            raise ConfigError(
                "lite: what a translator teaches has one strength and no lines (network.line = false)"
            )

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of those to be run, in order."""
        return STAGES if self.source is None else STAGES[1:]


def preset(name: str) -> Path:
    """The recipe file of a preset."""
    return Path(str(resources.files("scenivid.training.chain") / f"{name}.toml"))


def stage_recipes(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Each stage's own recipe, its inputs being the outputs of those before it in `out`."""
    first = recipe.source or out / "stylegan" / NETWORKS
    gans = replace(recipe.pairs.stylegan, source=first, target=out / "finetune" / NETWORKS)
    card: dict[str, Any] = {
        "name": recipe.name, "licence": recipe.licence,
        "commercial_use": recipe.commercial_use, "data": recipe.data,
    }  # fmt: skip
    made: dict[str, Any] = {
        "stylegan": replace(recipe.stylegan, images=recipe.photos),
        "finetune": replace(recipe.finetune, source=first, images=recipe.anime),
        "pairs": replace(recipe.pairs, pairs="stylegan", stylegan=gans),
        "translator": replace(
            recipe.translator, photos=recipe.photos, paintings=recipe.anime, pairs=out / "pairs", **card
        ),
        "lite": replace(recipe.lite, photos=recipe.photos, teacher=out / "translator" / STYLE, **card),
    }
    return {name: made[name] for name in recipe.stages}
