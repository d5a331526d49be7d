"""The translator's objective: the paper's sum, each term switchable, shared passes like naive ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from speed.time_shared_passes import measure, naive_losses, naive_translate
from torch import Tensor
from toy_translator import TINY, apart, tiny

from scenivid.training.recipe import load_recipe
from scenivid.training.translator.losses import generator_losses, term_weights
from scenivid.training.translator.program import TranslatorProgram
from scenivid.training.translator.recipe import Recipe, build, moment_of, open_sets
from scenivid.training.translator.translation import Batch, Networks, translate


@pytest.mark.parametrize("generator", ["translator", "lite"])
def test_shared_passes_give_the_losses_and_gradients_of_naive_ones(data: Path, generator: str) -> None:
    recipe = tiny(data, f"generator={generator}", "weights.pair_l1=0.3")
    with TranslatorProgram(recipe, open_sets(recipe)) as program:
        batch = next(iter(program._batches(0)))
        moment = moment_of(recipe, 1)
        results = []
        for naive in (False, True):
            parameters = list(program.parts["g"].parameters())
            if naive:
                made = naive_translate(program.networks, batch, recipe.weights)
                losses = naive_losses(program.networks, batch, made, recipe.weights, recipe.contrast, moment)
            else:
                made = translate(program.networks.g, batch, recipe.weights)
                losses = generator_losses(
                    program.networks, batch, made, recipe.weights, recipe.contrast, moment
                )
            gradients = torch.autograd.grad(losses["g"], parameters)
            results.append(({name: value.detach() for name, value in losses.items()}, gradients))
        (shared, ours), (plain, theirs) = results
        assert shared.keys() == plain.keys()
        for name in shared:
            assert float(shared[name]) == pytest.approx(float(plain[name]), abs=1e-5), name
        assert apart(ours, theirs) < 1e-3


def test_the_bench_measures_both_ways_at_any_size() -> None:
    recipe = load_recipe(Recipe, None, [*TINY, "weights.temporal=0"])
    timing = measure(recipe, steps=1)
    assert timing.shared > 0 and timing.ratio > 0 and len(timing.seconds["naive"]) == 1


def test_the_objective_is_the_weighted_sum_of_the_paper(data: Path) -> None:
    recipe = tiny(data, "weights.temporal=0", "weights.identity=0")
    with TranslatorProgram(recipe, open_sets(recipe)) as program:
        batch, moment = next(iter(program._batches(0))), moment_of(recipe, 3)
        made = translate(program.networks.g, batch, recipe.weights)
        found = generator_losses(program.networks, batch, made, recipe.weights, recipe.contrast, moment)
        losses = {name: value.detach() for name, value in found.items()}
    fade = np.cos(np.pi / 4)  # second of two epochs
    expected = (
        losses["gan"]
        + 0.1 * (losses["hdce"] + losses["hdce_identity"]) / 2
        + 0.05 * losses["src"]
        + fade * (losses["pair_gan"] + 0.05 * losses["style_nce"])
    )
    assert float(losses["g"]) == pytest.approx(float(expected), abs=1e-5)


def test_official_compat_repeats_its_two_defects_and_nothing_else_does(data: Path) -> None:
    ours = load_recipe(Recipe, None, ["run.steps=20"])
    theirs = replace(ours, official_compat=True)
    for index, epoch in ((0, 1), (19, 20)):
        assert moment_of(theirs, index).pair_weight == pytest.approx(1)
        assert moment_of(ours, index).pair_weight == pytest.approx(np.cos(np.pi * (epoch - 1) / 40))
    assert term_weights(theirs.weights, moment_of(theirs, 0))["style_nce"] == pytest.approx(0.0025)
    assert term_weights(ours.weights, moment_of(ours, 0))["style_nce"] == pytest.approx(0.05)


def test_the_perceptual_network_sees_images_between_0_and_1(data: Path) -> None:  # defect 3
    recipe, seen = tiny(data, "weights.perceptual=1.0"), []

    def distance(image: Tensor, reference: Tensor) -> Tensor:
        seen.extend([image.detach(), reference])
        return (image - reference).abs().mean()

    parts = build(recipe, supervised=False)
    with torch.no_grad():
        parts["g"].net.model[-2].bias.fill_(9.0)  # tanh says 1: white
        nets = Networks(parts["g"], parts["d"], None, parts["heads"], None)
        black = torch.zeros(1, 3, 32, 32)
        batch = Batch(black, black, None, None, None, key=(0, 0), first=0)
        made = translate(nets.g, batch, recipe.weights)
        moment = moment_of(recipe, 0)
        found = generator_losses(nets, batch, made, recipe.weights, recipe.contrast, moment, distance)
    torch.testing.assert_close(seen[0], torch.ones_like(black), atol=1e-3, rtol=0)
    assert torch.equal(seen[1], black) and float(found["perceptual"]) == pytest.approx(1, abs=1e-3)


def test_every_switch_goes_both_ways() -> None:  # defect 4
    switches = ("weights.hdce_identity", "augment.flip", "official_compat", "run.tensorboard")
    for switch in switches:
        found = []
        for value in ("true", "false"):
            held: Any = load_recipe(Recipe, None, [f"{switch}={value}"])
            for name in switch.split("."):
                held = getattr(held, name)
            found.append(held)
        assert found == [True, False], switch


def test_what_has_no_weight_is_not_built(data: Path) -> None:
    recipe = tiny(data, "weights.style_nce=0", "weights.hdce=0", "weights.src=0")
    assert set(build(recipe, supervised=True)) == {"g", "d", "d_pair"}
    alone = tiny(
        data, "pairs=none", "weights.temporal=0", "weights.identity=0", "weights.hdce_identity=false"
    )
    with TranslatorProgram(alone, open_sets(alone)) as program:
        assert set(program.parts) == {"g", "d", "heads"}
        assert not {"pair_gan", "hdce_identity", "temporal"} & set(program.step(0))
