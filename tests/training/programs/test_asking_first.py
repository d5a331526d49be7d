"""Weights of others are asked for before anything else is done, and a dry run names them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from scenivid.errors import CheckpointError
from scenivid.training.programs import chain, data, finetune, pairs, translator
from scenivid.training.recipe import load_recipe
from scenivid.weights import published

NOWHERE = "photos=nowhere"
UNCONSTRAINED = ["constraints.semantic=0", "constraints.patch=0"]


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "reachable", lambda host: False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


CASES = [
    (finetune, ["source=nowhere.pt"], ["clip", "vgg16"]),
    (finetune, ["source=nowhere.pt", "constraints.encoder=vgg19", "constraints.perceptual=0"], ["vgg19"]),
    (translator, [NOWHERE, "weights.perceptual=1"], ["vgg19"]),
    (translator, [NOWHERE, "weights.perceptual=1", "perceptual=lpips"], ["vgg16"]),
    (pairs, ["stylegan.source=nowhere.pt", "segmenter=deeplab"], ["deeplab"]),
    (data, ['inputs=["nowhere"]', "rules.faces=drop"], ["yunet"]),
]


@pytest.mark.parametrize("program, sets, names", CASES, ids=lambda value: str(value)[-20:])
def test_weights_are_refused_before_the_data_is_looked_at(
    program: Any, sets: list[str], names: list[str], tmp_path: Path
) -> None:
    recipe = load_recipe(program.Recipe, None, sets)
    assert [one.name for one, _ in program.weights_of(recipe)] == names
    with pytest.raises(
        CheckpointError, match=".*".join(f"{name}: no connection.*put it at" for name in names)
    ):
        program.run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_users_own_file_is_enough_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    recipe = load_recipe(
        translator.Recipe, None, [NOWHERE, "weights.perceptual=1", "perceptual_weights=gone.pth"]
    )
    with pytest.raises(CheckpointError, match=r"no such weights: gone\.pth"):
        translator.run(recipe, tmp_path / "out")


def test_nothing_is_asked_for_that_isnt_used() -> None:
    assert translator.weights_of(load_recipe(translator.Recipe, None, ["weights.perceptual=0"])) == []
    assert pairs.weights_of(load_recipe(pairs.Recipe, None, ["segmenter=clusters"])) == []
    sets = ["constraints.encoder=efficientnet", "constraints.perceptual=0"]
    assert finetune.weights_of(load_recipe(finetune.Recipe, None, sets)) == []


def test_a_dry_run_names_them(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    recipe = load_recipe(
        translator.Recipe, None, [NOWHERE, "weights.perceptual=1", "generator=lite", "augment.size=64"]
    )
    translator.run(recipe, tmp_path / "out", dry_run=True)
    assert "missing: weights of vgg19" in caplog.text and "scenivid weights fetch vgg19" in caplog.text


def test_the_chain_asks_for_all_its_stages_before_the_first(tmp_path: Path) -> None:
    recipe = load_recipe(chain.Recipe, chain.preset("tiny"), ["pairs.segmenter=deeplab"])
    with pytest.raises(CheckpointError, match="deeplab: no connection"):
        chain.run(recipe, tmp_path / "out")
    assert not (tmp_path / "out" / "stylegan").exists()


@pytest.mark.parametrize("sets", [["segmenter=mask2former"], ["pairs=diffusers", "photo.photos=nowhere"]])
def test_a_dry_run_names_a_missing_package_and_goes_on(
    sets: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("transformers", "diffusers"):
        monkeypatch.setitem(sys.modules, name, None)
    caplog.set_level("INFO")
    recipe = load_recipe(pairs.Recipe, None, ["stylegan.source=nowhere.pt", *sets])
    pairs.run(recipe, tmp_path / "out", dry_run=True)
    assert "pip install 'scenivid[pairs]'" in caplog.text
    assert f"candidates of {recipe.pairs}" in caplog.text


def test_a_dry_run_names_what_is_missing_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = load_recipe(
        finetune.Recipe, None, ["source=nowhere.pt", "images=nowhere", "gan.batch=2", *UNCONSTRAINED]
    )
    finetune.run(recipe, tmp_path / "out", dry_run=True)
    assert caplog.text.count("missing: source") == 1
