"""Every recipe in train/recipes is one that its program accepts."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from scenivid.training.recipe import RunSettings, load_recipe, tomllib

RECIPES = sorted((Path(__file__).resolve().parents[2] / "train" / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipe_is_accepted_by_its_program(path: Path) -> None:
    program = tomllib.loads(path.read_text(encoding="utf-8"))["program"]
    module = import_module(f"scenivid.training.programs.{program}")
    recipe = load_recipe(module.Recipe, path)
    assert recipe.program == program and isinstance(recipe.run, RunSettings)


def test_the_paper_and_the_tiny_chain_are_complete() -> None:
    names = {path.stem for path in RECIPES}
    stages = ("stylegan", "finetune", "pairs", "translator")
    assert {f"{size}-{stage}" for size in ("paper", "tiny") for stage in stages} <= names


def test_the_readme_names_recipes_that_exist() -> None:
    text = (RECIPES[0].parents[1] / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"([\w-]+)\.toml", text)) - {"FILE", "recipe"}
    assert named and named <= {path.stem for path in RECIPES}


def test_the_papers_translator_is_the_default_of_the_program() -> None:
    module = import_module("scenivid.training.programs.translator")
    path = next(path for path in RECIPES if path.name == "paper-translator.toml")
    recipe, default = load_recipe(module.Recipe, path), module.Recipe()
    for name in ("generator", "translator", "weights", "contrast", "augment", "epochs", "batch", "betas"):
        assert getattr(recipe, name) == getattr(default, name), name
    assert recipe.run.steps == default.run.steps == 20 * 90_000
