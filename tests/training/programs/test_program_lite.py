"""`train lite` end to end on a tiny set: it learns, resumes bit-exactly, writes a loadable style."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_photos import make_photos

from scenivid.errors import ConfigError
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.nets.lite import Lite, LiteParams
from scenivid.training.lite.files import card, export_checkpoint
from scenivid.training.lite.program import LiteProgram
from scenivid.training.lite.recipe import Recipe, Weights
from scenivid.training.losses.lite import lines, reconstruction
from scenivid.training.painter.looks import look_named
from scenivid.training.painter.pairs import Pairs, PairStore
from scenivid.training.painter.views import PairSettings
from scenivid.training.programs.lite import run
from scenivid.training.recipe import RunSettings, load_recipe

RECIPES = Path(__file__).resolve().parents[3] / "train" / "recipes"
TINY = Recipe(
    run=RunSettings(steps=6, log_every=2, sample_every=0, tensorboard=False, checkpoint_minutes=0),
    network=LiteParams((16, 16, 16), (0, 0), (1,), (0, 0), 16),
    pairs=PairSettings(views=1, size=80, short_side=(80.0, 100.0)),
    weights=Weights(perceptual=0.0),
    crop=64,
    batch=2,
    moved=1,
    precision="fp32",
    workers=0,
)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    photos = make_photos(tmp_path / "photos", 3)
    return replace(TINY, photos=photos, cache=tmp_path / "pairs")


def test_training_writes_a_style_that_loads(recipe: Recipe, tmp_path: Path) -> None:
    path = run(recipe, tmp_path / "out")
    net, card = load_checkpoint(path)
    assert isinstance(net, Lite)
    assert card.name == "aozora"
    assert "6 steps" in card.recipe
    exported = tmp_path / "early.safetensors"
    export_checkpoint(tmp_path / "out", exported, recipe)
    for a, b in zip(net.parameters(), load_checkpoint(exported)[0].parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_stopped_run_goes_on_as_if_it_had_not(recipe: Recipe, tmp_path: Path) -> None:
    whole = run(recipe, tmp_path / "whole")
    run(recipe, tmp_path / "parts", minutes=0.0)
    parts = run(recipe, tmp_path / "parts")
    for a, b in zip(
        load_checkpoint(whole)[0].parameters(), load_checkpoint(parts)[0].parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_a_dry_run_writes_no_weights(recipe: Recipe, tmp_path: Path) -> None:
    assert not run(recipe, tmp_path / "out", dry_run=True).exists()


class Darkening:
    """Pairs whose painting is the photograph at half its light, with a line wherever red is bright."""

    def __init__(self, count: int = 4) -> None:
        source = torch.randint(0, 255, (count, 3, 5, 5), dtype=torch.uint8)
        source = source.repeat_interleave(16, 2).repeat_interleave(16, 3)
        line = (source[:, :1] > 180).to(torch.uint8) * 255
        self.held = Pairs((torch.cat([source, source // 2, line], 1),))

    def pairs(self) -> Pairs:
        return self.held


def test_it_learns() -> None:
    recipe = replace(TINY, run=RunSettings(steps=40), warmup=5, learning_rate=5e-3)
    program = LiteProgram(recipe, [Darkening()])
    losses = [program.step(index) for index in range(40)]
    for name in ("pixel", "line"):
        values = [float(loss[name]) for loss in losses]
        assert np.mean(values[-5:]) < 0.6 * np.mean(values[:3]), name
    assert all(0 <= float(loss["temporal"]) < 1 for loss in losses)


def test_the_adversarial_loss_starts_when_told_and_moves_the_critic(recipe: Recipe) -> None:
    weights = Weights(perceptual=0.0, adversarial=0.1)
    recipe = replace(recipe, paintings=recipe.photos, weights=weights, critic=8, adversarial_from=1)
    program = LiteProgram(recipe, [Darkening()])
    assert "critic" not in program.step(0)
    assert program.judges is not None and program.judges.critic is not None
    critic = program.judges.critic
    before = [p.clone() for p in critic.parameters()]
    assert {"critic", "adversarial"} <= program.step(1).keys()
    assert any(not torch.equal(a, b) for a, b in zip(before, critic.parameters(), strict=True))
    assert "critic" in program.state()


def test_samples_show_photograph_painting_and_result() -> None:
    sheet = LiteProgram(TINY, [Darkening()]).samples()
    assert sheet is not None
    assert sheet.shape[1] == 3 * 64 + 2 * 2


def test_reconstruction_is_zero_for_equal_images_and_sees_edges() -> None:
    image = torch.rand(1, 3, 32, 32)
    assert all(float(value) == 0 for value in reconstruction(image, image).values())
    shifted = reconstruction(image + 0.1, image)
    assert float(shifted["pixel"]) == pytest.approx(0.1, abs=1e-5)
    assert float(shifted["edges"]) == pytest.approx(0, abs=1e-5)


def test_sharpness_sees_blur_but_not_where_the_strokes_fall() -> None:
    stripes = (torch.arange(32) % 4 < 2).float().expand(1, 3, 32, 32).contiguous()
    moved = stripes.roll(1, -1)
    assert float(reconstruction(moved, stripes)["sharpness"]) < 0.05
    assert float(reconstruction(stripes * 0.5 + 0.25, stripes)["sharpness"]) > 0.1


def test_vivid_places_count_more() -> None:
    grey, red = torch.full((1, 3, 32, 32), 0.5), torch.zeros(1, 3, 32, 32)
    red[:, 0] = 1.0
    for target, weight in ((grey, 1.0), (red, 3.0)):
        loss = float(reconstruction(target + 0.1, target, vivid=2.0)["pixel"])
        assert loss == pytest.approx(0.1 * weight, rel=1e-4)


def test_a_missed_line_costs_more_than_a_false_one_and_a_faint_one_shows_in_the_amount() -> None:
    none, drawn = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    drawn[..., 10:13, :] = 1.0
    assert all(float(value) == 0 for value in lines(drawn, drawn).values())
    assert lines(none, drawn)["line"] > 1.5 * lines(drawn, none)["line"]
    faint = lines(torch.full_like(drawn, float(drawn.mean())), drawn)
    assert faint["line_amount"] > 0.8 * lines(none, drawn)["line_amount"]


def test_a_run_that_begins_early_takes_in_what_is_painted_meanwhile(recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(recipe, begin_with=1, pairs=replace(recipe.pairs, views=4))
    store = PairStore(recipe.photos, "aozora", recipe.pairs, recipe.run.seed, tmp_path)
    store.paint(0)
    program = LiteProgram(recipe, [store])
    assert len(program.levels.pairs[1.0]) == 8
    store.paint(1)
    program.batch(49)
    assert len(program.levels.pairs[1.0]) == 8
    program.batch(50)
    assert len(program.levels.pairs[1.0]) == 12


def test_a_dial_is_learnt_at_every_second_step(recipe: Recipe, tmp_path: Path) -> None:
    plain = run(recipe, tmp_path / "plain")
    network = replace(recipe.network, dial=True)
    recipe = replace(recipe, network=network, strengths=(0.25, 0.5), start=plain, dial_every=2)
    program = LiteProgram(recipe, [Darkening() for _ in range(3)])
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(program.ema.eval()(image), load_checkpoint(plain)[0](image), atol=1e-5)
    assert [program.levels.strength(index) for index in range(5)] == [1.0, 0.25, 1.0, 0.5, 1.0]
    for index in range(2):
        program.step(index)
    dial = (*program.net.dial_gain, *program.net.dial_shift)
    assert all(parameter.abs().max() > 0 for parameter in dial)
    net, card = load_checkpoint(run(recipe, tmp_path / "dialled"))
    assert isinstance(net, Lite) and net.params.dial and card.params["dial"]
    without = replace(
        recipe, network=TINY.network, strengths=(), start=tmp_path / "dialled/aozora.safetensors"
    )
    LiteProgram(without, [Darkening()])
    assert (card.paint, card.ink) == (540, look_named("aozora").ink)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="dial"):
        replace(TINY, strengths=(0.5,))
    with pytest.raises(ConfigError, match="at least"):
        replace(TINY, network=replace(TINY.network, dial=True), strengths=(0.1,))
    with pytest.raises(ConfigError, match="crop"):
        replace(TINY, crop=96)
    with pytest.raises(ConfigError, match="moved"):
        replace(TINY, moved=3)
    with pytest.raises(ConfigError, match="dial_every"):
        replace(TINY, dial_every=1)


@pytest.mark.parametrize("path", [RECIPES / f"{style}.toml" for style in ("aozora", "cel", "gouache")])
def test_the_shipped_recipes_parse(path: Path) -> None:
    recipe = load_recipe(Recipe, path)
    assert recipe.program == "lite" and recipe.style == path.stem
    assert sum(p.numel() for p in Lite(recipe.network).parameters()) <= 1_500_000


def test_a_card_claims_nothing_that_nobody_gave(recipe: Recipe) -> None:
    told = card(recipe, 10)
    assert told.name == recipe.style and not told.commercial_use and "unknown" in told.licence
    assert told.data == (f"photographs of {recipe.photos.name}, licences not given",)
    named = card(replace(recipe, name="mine", licence="CC0", commercial_use=True, data=("mine; CC0",)), 10)
    assert (named.name, named.licence, named.commercial_use, named.data) == (
        "mine",
        "CC0",
        True,
        ("mine; CC0",),
    )
