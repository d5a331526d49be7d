"""`train chain`: at toy size from pictures to a clip and a page; stages are passed over or resumed."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenivid.cli import main
from scenivid.errors import Cancelled, ConfigError, DataError
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.nets.lite import Lite
from scenivid.training.chain.curves import curves
from scenivid.training.chain.diary import Diary
from scenivid.training.chain.recipe import PRESETS, STAGES, Recipe, preset, stage_recipes
from scenivid.training.programs import chain
from scenivid.training.programs.chain import run
from scenivid.training.recipe import load_recipe
from scenivid.training.run.loop import Progress

RECIPES = Path(__file__).resolve().parents[2] / "train" / "recipes"
TOY = (
    "crops=8",
    "stylegan.network.size=32", "stylegan.network.channel_multiplier=0.015625",
    "stylegan.network.style_dim=8", "stylegan.network.mapping_layers=2", "stylegan.gan.batch=2",
    "stylegan.realism.every=0",
    "finetune.gan.batch=2", "finetune.gan.trained_blocks=1", "finetune.gan.frozen_d_layers=1",
    "finetune.constraints.semantic=0.0", "finetune.constraints.patch=0.0", "finetune.realism.every=0",
    "pairs.candidates=8", "pairs.batch=4", "pairs.segmenter=none",
    "translator.augment.size=32", "translator.pair_augment.size=32", "translator.lite.brush=2",
    "translator.lite.widths=[16,16,16]", "translator.lite.middle_dilations=[1]",
    "translator.discriminator_width=4", "translator.discriminator_layers=1", "translator.contrast.places=8",
    "translator.contrast.width=8", "translator.batch=1", "translator.workers=0", "translator.device=cpu",
    "translator.precision=fp32", "lite.network.brush=2",
    "lite.network.widths=[16,16,16]", "lite.network.middle_dilations=[1]", "lite.pairs.size=64",
    "lite.pairs.short_side=[64,80]", "lite.pairs.views=1", "lite.crop=64", "lite.batch=1", "lite.moved=0",
    "lite.paint=none", "lite.precision=fp32",
    *(f"{stage}.run.{key}" for stage in STAGES
      for key in ("steps=2", "log_every=1", "sample_every=1", "tensorboard=false")),
)  # fmt: skip


@pytest.fixture
def toy(tmp_path: Path) -> Recipe:
    random = np.random.default_rng(0)
    for name in ("photos", "anime"):
        (tmp_path / name).mkdir()
        for number in range(4):
            coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8))
            coarse.resize((112, 80), Image.Resampling.BICUBIC).save(tmp_path / name / f"{number}.png")
    folders = [f"{name}={(tmp_path / name).as_posix()}" for name in ("photos", "anime")]
    return load_recipe(Recipe, preset("tiny"), [*TOY, *folders, "name=toy"])


@pytest.mark.slow
def test_it_ends_with_a_style_a_clip_and_a_page_and_does_nothing_twice(toy: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[int] = []
    page = run(toy, out, progress=lambda now: told.append(now.step))
    assert told == sorted(told) and told[-1] == 1000
    assert isinstance(load_checkpoint(out / "toy.safetensors")[0], Lite)
    text = page.read_text(encoding="utf-8")
    for linked in re.findall(r'(?:src|href)="([^"#]+)"', text):
        assert (out / linked).is_file(), linked
    assert "8 of 8 pairs kept" in text and text.count("<svg") >= 5
    rows = json.loads((out / "figures.json").read_text())["sets"]
    assert [row["name"] for row in rows][:3] == ["photographs", "translator", "lite"]
    assert rows[0]["agreement"] == pytest.approx(1, abs=1e-4)
    made = {stage: (out / stage / "log.jsonl").stat().st_mtime_ns for stage in STAGES}
    run(toy, out)
    assert made == {stage: (out / stage / "log.jsonl").stat().st_mtime_ns for stage in STAGES}


@pytest.mark.slow
def test_an_interrupted_stage_is_resumed_and_the_ones_before_are_not(toy: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    toy = replace(toy, pairs=replace(toy.pairs, candidates=16))
    toy = replace(toy, finetune=replace(toy.finetune, run=replace(toy.finetune.run, steps=3)))

    asked: list[int] = []

    def ctrl_c(now: Progress) -> None:
        if (out / "finetune" / "log.jsonl").exists() and not asked:  # a second one wouldn't wait for the step
            asked.append(now.step)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Cancelled):
        run(toy, out, progress=ctrl_c)
    held = json.loads((out / "chain.json").read_text())
    assert held["stylegan"]["finished"] and not held["finetune"]["finished"]
    assert held["finetune"]["seconds"] > 0 and held["pairs"] == {"seconds": 0.0, "finished": False}
    before = (out / "stylegan" / "stylegan2.pt").stat().st_mtime_ns
    steps: list[int] = []

    def until_the_pairs(now: Progress) -> None:
        steps.append(now.step)
        if now.step > 400 and len(asked) == 1:
            asked.append(now.step)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Cancelled):
        run(toy, out, progress=until_the_pairs)
    assert steps[0] > 200 + 200 / 3  # not from the fine-tuning's first step
    assert (out / "stylegan" / "stylegan2.pt").stat().st_mtime_ns == before


def test_time_left_over_goes_to_the_stages_that_follow(tmp_path: Path) -> None:
    shares = {"a": 0.5, "b": 0.2, "c": 0.2, "page": 0.1}
    diary = Diary(tmp_path, ("a", "b", "c"))
    assert diary.left("a", shares, 100) == pytest.approx(50)
    diary.entries["a"].seconds, diary.entries["a"].finished = 600.0, True  # 10 of 50 minutes
    assert diary.left("b", shares, 100) == pytest.approx(90 * 0.2 / 0.5)
    diary.entries["b"].seconds = 1200.0
    assert diary.left("b", shares, 100) == pytest.approx(90 * 0.2 / 0.5 - 20)
    diary.entries["b"].seconds = 9e9
    assert 0 < diary.left("b", shares, 100) < 0.02


def test_the_time_left_is_no_more_than_the_minutes(tmp_path: Path) -> None:
    diary, seen = Diary(tmp_path, ("a", "b")), list[Progress]()
    diary.entries["a"].seconds = 60.0
    diary.begin()
    for minutes in (None, 2, 0.5):
        tell = chain._part("b", 1, 2, diary, minutes, seen.append)
        tell(Progress(1, 10, {}, 1.0, 9000.0))
    assert [now.eta_seconds for now in seen] == [9000, pytest.approx(60, abs=1), 0]


def test_a_damaged_diary_is_named(tmp_path: Path) -> None:
    (tmp_path / "chain.json").write_text("{")
    with pytest.raises(DataError, match=r"chain\.json can't be read"):
        Diary(tmp_path, ("a",))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_recipes_of_the_chain(name: str) -> None:
    recipe = load_recipe(Recipe, preset(name), ["photos=p", "anime=a"])
    stages = stage_recipes(recipe, Path("out"))
    assert tuple(stages) == STAGES
    assert stages["finetune"].source == stages["pairs"].stylegan.source == Path("out/stylegan/stylegan2.pt")
    assert stages["lite"].teacher == Path("out/translator/style.safetensors")


@pytest.mark.parametrize("size", ["tiny", "paper"])
@pytest.mark.parametrize("stage", ["stylegan", "finetune", "pairs", "translator"])
def test_presets_say_what_the_recipes_of_the_stages_say(size: str, stage: str) -> None:
    module = import_module(f"scenivid.training.programs.{stage}")
    alone = load_recipe(module.Recipe, RECIPES / f"{size}-{stage}.toml")
    held = load_recipe(Recipe, preset(size))
    recipe = stage_recipes(held, Path("out"))[stage]
    given = {"images", "photos", "paintings", "source", "pairs", "stylegan", "name", "licence", "data"}
    for field in vars(alone).keys() - given:
        assert getattr(recipe, field) == getattr(alone, field), field


def test_networks_of_others_take_the_place_of_the_first_stage() -> None:
    recipe = load_recipe(Recipe, preset("paper"), ["source=lhq.pt"])
    stages = stage_recipes(recipe, Path("out"))
    assert "stylegan" not in stages and stages["finetune"].source == Path("lhq.pt")


def test_a_dial_or_lines_cannot_be_taught_by_a_translator() -> None:
    with pytest.raises(ConfigError, match="one strength and no lines"):
        load_recipe(Recipe, preset("tiny"), ["lite.network.line=true"])


@pytest.mark.slow
def test_a_dry_run_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as left:
        main(["train", "chain", "--preset", "tiny", "--photos", str(tmp_path / "p"), "--anime",
              str(tmp_path / "a"), "--out", str(out), "--dry-run"])  # fmt: skip
    assert left.value.code == 0 and not out.exists()
    said = capsys.readouterr().err
    assert "missing: teacher" in said and "missing: source of pairs" in said and said.count("GB") >= 3


def test_the_options_of_the_chain_are_refused_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", "flow", "--preset", "tiny"])
    assert left.value.code == 2 and "for chain" in capsys.readouterr().err


def test_curves_show_what_was_logged_twice_and_nothing_else() -> None:
    log = [{"step": float(i), "a": float(i), **({"b": 1.0} if i == 3 else {})} for i in range(1000)]
    drawn = curves(log, ("a", "b", "c"))
    assert drawn.count("<polyline") == 1 and drawn.count(",") < 600
    assert curves(log, ("b",)) == ""
