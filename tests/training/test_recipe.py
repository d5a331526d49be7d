"""Recipes: what loads, what is refused, what counts as the same run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from scenivid.errors import ConfigError
from scenivid.training.programs import chain, finetune
from scenivid.training.recipe import RunSettings, harmless, load_recipe
from scenivid.training.run.record import differences, to_dict, to_toml


@dataclass(frozen=True)
class Inner:
    flip: bool = True
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Recipe:
    program: Literal["toy"] = "toy"
    run: RunSettings = field(default_factory=RunSettings)
    inner: Inner = Inner()
    rate: float = 2e-4
    folder: Path = Path("data")
    limit: int | None = None
    name: str = 'a "quoted" näme'
    workers: int = harmless(2)


def test_another_program_s_recipe_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('program = "lite"\nstyle = "x"\n')
    with pytest.raises(ConfigError, match="a recipe of `scenivid train lite`, not of toy"):
        load_recipe(Recipe, path)


def test_file_and_overrides_are_laid_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('program = "toy"\nrate = 1\n[inner]\nsizes = [3]\n[run]\nsteps = 7\n')
    recipe = load_recipe(Recipe, file, ["inner.flip=false", "folder=a/b", "limit=4", "run.steps=9"])
    assert recipe.rate == 1.0 and isinstance(recipe.rate, float)
    assert recipe.inner == Inner(flip=False, sizes=(3,))
    assert (recipe.folder, recipe.limit, recipe.run.steps) == (Path("a/b"), 4, 9)
    assert load_recipe(Recipe, None) == Recipe()


def test_toml_text_gives_the_same_recipe_back(tmp_path: Path) -> None:
    recipe = load_recipe(Recipe, None, ["rate=1e-8", "inner.sizes=[]"])
    (tmp_path / "r.toml").write_text(to_toml(recipe))
    assert load_recipe(Recipe, tmp_path / "r.toml") == recipe


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("rat=1", "unknown recipe key rat; known here: program, run, inner, rate"),
        ("inner.flap=1", "inner.flap; known here: flip, sizes"),
        ("rate=fast", "rate must be float, got 'fast'"),
        ("inner.flip=1", "inner.flip must be bool"),
        ("run.steps=2.5", "run.steps must be int"),
        ("run.steps=true", "run.steps must be int"),
        ("run.steps=0", "at least 1"),
        ("limit=x", "limit must be int"),
        ("inner.sizes=3", "inner.sizes must be a list"),
        ("program=other", "one of 'toy'"),
        ("rate.deep=1", "rate must be float"),
        ("rate", "key=value"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(override: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(Recipe, None, [override])
    assert says in str(caught.value) and "\n" not in str(caught.value)


@dataclass(frozen=True)
class Weights:
    pixel: float = 1.0


@dataclass(frozen=True)
class Numbers:
    run: RunSettings = field(default_factory=RunSettings)
    weights: Weights = Weights()
    batch: int = 4
    learning_rate: float = 1e-3
    betas: tuple[float, ...] = (0.5, 0.9)
    anything: float = 0.0
    count: int = 0
    workers: int = harmless(2)
    folder: Path = Path("data")


@pytest.mark.parametrize(
    "override",
    [
        "batch=0", "batch=-1", "batch=99999999999", "batch=" + "[" * 3000, "workers=-1", "workers=100000",
        "learning_rate=nan", "learning_rate=inf", "learning_rate=0", "learning_rate=-1e-3",
        "run.seed=-1", "run.seed=9223372036854775808", "run.seed=1" + "0" * 400, "run.checkpoint_minutes=nan",
        "run.steps=9223372036854775808", "count=1e3", "count=" + "9" * 5000, "betas=[0.5, 1.5]",
        "anything=nan", "anything=-inf", "anything=1" + "0" * 400, "weights.pixel=-1", 'folder="a\\u0000b"',
    ],
)  # fmt: skip
def test_numbers_without_sense_are_refused_in_one_short_line(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(Numbers, None, [override])
    said = str(caught.value)
    assert override.partition("=")[0] in said and "\n" not in said and len(said) < 200


def test_sensible_numbers_are_taken() -> None:
    words = [
        "batch=1",
        "learning_rate=1",
        "workers=0",
        "run.seed=9223372036854775807",
        "anything=-3",
        "count=-5",
    ]
    recipe = load_recipe(Numbers, None, words)
    assert recipe.run.seed == 2**63 - 1 and recipe.learning_rate == 1.0 and recipe.anything == -3


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "count = " + "9" * 5000, 'a = "\x00"', "\xff"])
def test_a_hostile_file_is_a_config_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"r\.toml can't be read"):
        load_recipe(Numbers, tmp_path / "r.toml")


def test_an_unreadable_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml can't be read"):
        load_recipe(Recipe, tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        load_recipe(Recipe, tmp_path / "bad.toml")


def test_only_what_alters_learning_counts_as_a_difference() -> None:
    before = to_dict(Recipe())
    assert differences(load_recipe(Recipe, None, ["workers=9", "run.steps=5"]), before) == []
    changed = differences(load_recipe(Recipe, None, ["rate=1.0", "run.seed=3"]), before)
    assert changed == ["rate was 0.0002, is 1.0", "run.seed was 0, is 3"]


def test_a_run_older_than_a_setting_goes_on_where_that_stands_at_its_default() -> None:
    before = to_dict(Recipe())
    del before["rate"]
    assert differences(Recipe(), before) == []
    assert differences(load_recipe(Recipe, None, ["rate=1.0"]), before) == ["rate was 0.0002, is 1.0"]


def test_what_a_table_leaves_out_stays_as_the_program_has_it() -> None:
    """One value of a table given must not bring the other ones back to what other programs have there."""
    plain = load_recipe(finetune.Recipe, None)
    changed = load_recipe(finetune.Recipe, None, ["gan.batch=2", "run.seed=5"])
    assert changed == replace(plain, gan=replace(plain.gan, batch=2), run=replace(plain.run, seed=5))
    inner = load_recipe(chain.Recipe, None, ["finetune.gan.batch=2", "lite.network.head=16"])
    assert inner.finetune == replace(plain, gan=replace(plain.gan, batch=2))
    assert not inner.lite.network.line


@dataclass(frozen=True)
class Optional:
    table: Inner | None = None
    other: Inner | None = field(default_factory=Inner)


def test_a_run_with_an_optional_table_is_the_same_run_again() -> None:
    for sets in (["table.flip=false"], ["other=none"], []):
        recipe = load_recipe(Optional, None, sets)
        assert differences(recipe, to_dict(recipe)) == []
        assert differences(load_recipe(Optional, None, ["table.flip=true"]), to_dict(recipe)) != []
