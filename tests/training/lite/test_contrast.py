"""HDCE and StylePatchNCE in `train lite`, through the network's own encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_photos import make_photos
from torch import Tensor

from scenivid.nets.checkpoint import read_tensors
from scenivid.nets.lite import Lite, LiteParams
from scenivid.training.lite.contrast import PaintingContrast
from scenivid.training.lite.program import LiteProgram
from scenivid.training.lite.recipe import Recipe, Weights
from scenivid.training.losses.contrastive import ContrastSettings
from scenivid.training.painter.pairs import Pairs
from scenivid.training.painter.views import PairSettings
from scenivid.training.programs.lite import run
from scenivid.training.recipe import RunSettings
from scenivid.training.run.checkpoint import CHECKPOINT, read_checkpoint

CPU = torch.device("cpu")
SMALL = LiteParams((16, 16, 16), (0, 0), (1,), (0, 0), 16)
BOTH = Weights(perceptual=0.0, hdce=0.05, style_nce=0.1)
TINY = Recipe(
    run=RunSettings(steps=4, log_every=2, sample_every=0, tensorboard=False, checkpoint_minutes=0),
    network=SMALL,
    pairs=PairSettings(views=1, size=80, short_side=(80.0, 100.0)),
    weights=BOTH,
    contrast=ContrastSettings(places=32, width=16),
    crop=64,
    batch=2,
    precision="fp32",
)


class Reddening:
    """Pairs of squares of colour whose painting has red and blue exchanged, and no lines."""

    def __init__(self) -> None:
        random = torch.Generator().manual_seed(0)
        source = torch.randint(0, 255, (4, 3, 10, 10), dtype=torch.uint8, generator=random)
        source = source.repeat_interleave(8, 2).repeat_interleave(8, 3)
        self.held = Pairs((torch.cat([source, source.flip(1), torch.zeros_like(source[:, :1])], 1),))

    def pairs(self) -> Pairs:
        return self.held


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    photos = make_photos(tmp_path / "photos", 2)
    return replace(TINY, photos=photos, cache=tmp_path / "pairs")


def layers(count: int, seed: int, size: int = 64) -> list[Tensor]:
    """Features such as a small network's encoder gives."""
    random = torch.Generator().manual_seed(seed)
    shapes = [(channels, size // stride) for channels, stride in ((3, 1), (16, 4), (16, 8), (16, 16))]
    return [torch.rand(count, c, side, side, generator=random) for c, side in shapes]


def contrast(*wanted: str) -> PaintingContrast:
    torch.manual_seed(0)
    return PaintingContrast(Lite(SMALL), wanted or ("hdce", "style_nce"), TINY.contrast, CPU)


def losses_of(
    judging: PaintingContrast, seen: list[Tensor], made: list[Tensor], wanted: list[Tensor], first: int = 0
) -> dict[str, Tensor]:
    return judging.losses(seen, made, wanted, key=(1, 2), first=first, gamma=50.0)


def weights_in(path: Path) -> dict[str, bytes]:
    """The bytes of each tensor (those of the header are in any order)."""
    return {name: value.numpy().tobytes() for name, value in read_tensors(path).items()}


def test_both_losses_fall() -> None:
    recipe = replace(TINY, run=RunSettings(steps=30), warmup=5, learning_rate=5e-3)
    program = LiteProgram(recipe, [Reddening()])
    told = [program.step(index) for index in range(30)]
    for name in ("hdce", "style_nce"):
        values = [float(losses[name]) for losses in told]
        assert np.mean(values[-5:]) < np.mean(values[:5]) - 0.5, name


def test_weights_of_zero_change_no_byte_and_keep_no_heads(recipe: Recipe, tmp_path: Path) -> None:
    without = replace(recipe, weights=replace(BOTH, hdce=0.0, style_nce=0.0))
    plain = run(without, tmp_path / "plain")
    other = run(replace(without, contrast=ContrastSettings(places=8)), tmp_path / "other")
    assert weights_in(plain) == weights_in(other)
    assert not {"heads", "heads_optimizer"} & read_checkpoint(tmp_path / "plain" / CHECKPOINT)["state"].keys()
    assert weights_in(plain) != weights_in(run(recipe, tmp_path / "with"))


def test_a_stopped_run_goes_on_with_the_same_heads(recipe: Recipe, tmp_path: Path) -> None:
    whole = run(recipe, tmp_path / "whole")
    run(recipe, tmp_path / "parts", minutes=0.0)
    assert weights_in(run(recipe, tmp_path / "parts")) == weights_in(whole)
    held = [read_checkpoint(tmp_path / name / CHECKPOINT)["state"] for name in ("whole", "parts")]
    for name, value in held[0]["heads"].items():
        assert torch.equal(value, held[1]["heads"][name]), name
    assert held[0]["heads_optimizer"]["state"].keys() == held[1]["heads_optimizer"]["state"].keys()


def test_only_what_is_wanted_has_heads_and_is_told() -> None:
    given = layers(1, 0), layers(1, 1), layers(1, 2)
    for name in ("hdce", "style_nce"):
        judging = contrast(name)
        assert set(judging.heads) == set(losses_of(judging, *given)) == {name}


def test_a_gradient_reaches_the_result_and_the_heads_alone() -> None:
    seen, made, wanted = (
        [layer.requires_grad_() for layer in layers(1, seed)] for seed in (0, 1, 2)
    )  # fmt: skip
    judging = contrast()
    torch.stack(list(losses_of(judging, seen, made, wanted).values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(layer.grad is None for layer in (*seen, *wanted))
    assert all(layer.grad is not None and layer.grad.abs().sum() > 0 for layer in made)
    assert all(weight.grad is not None for weight in judging.heads.parameters())


def test_what_lies_at_the_edge_of_a_crop_does_not_count() -> None:
    seen, made, wanted = layers(1, 0), layers(1, 1), layers(1, 2)
    before = losses_of(contrast(), seen, made, wanted)
    for layer in made:
        layer[..., 0] = layer[..., -1, :] = 9.0
    after = losses_of(contrast(), seen, made, wanted)
    for name, value in before.items():
        assert value.item() == pytest.approx(after[name].item(), abs=1e-6)


def test_two_processes_draw_the_places_of_one() -> None:
    given = layers(2, 0), layers(2, 1), layers(2, 2)
    judging = contrast()
    whole = losses_of(judging, *given)
    parts = []
    for i in range(2):
        seen, made, wanted = ([layer[i : i + 1] for layer in some] for some in given)
        parts.append(losses_of(judging, seen, made, wanted, first=i))
    for name, value in whole.items():
        assert value.item() == pytest.approx((parts[0][name] + parts[1][name]).item() / 2, rel=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_steps_in_16_bits_learn_and_stay_finite(precision: str) -> None:
    recipe = replace(TINY, precision=precision)
    program = LiteProgram(recipe, [Reddening()])
    assert program.contrast is not None
    before = [weight.clone() for weight in program.contrast.heads.parameters()]
    told = [program.step(index) for index in range(4)]
    assert all(bool(torch.isfinite(torch.as_tensor(v))) for losses in told for v in losses.values())
    after = list(program.contrast.heads.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(bool(torch.isfinite(weight).all()) for weight in (*after, *program.net.parameters()))


def test_steps_of_a_dial_leave_the_contrast_out() -> None:
    network = replace(SMALL, dial=True)
    recipe = replace(TINY, network=network, strengths=(0.5,), dial_every=2)
    program = LiteProgram(recipe, [Reddening(), Reddening()])
    assert "hdce" in program.step(0)
    assert "hdce" not in program.step(1)
