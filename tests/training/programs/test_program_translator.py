"""The translator program: trains, resumes bit for bit, shares passes without changing a loss, scales."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy_translator import apart, tiny, weights

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.styles.published import import_checkpoint
from scenivid.training.programs.translator import run
from scenivid.training.recipe import load_recipe
from scenivid.training.run.checkpoint import read_checkpoint
from scenivid.training.run.log import read_log
from scenivid.training.translator.plan import describe
from scenivid.training.translator.program import TranslatorProgram
from scenivid.training.translator.recipe import Recipe, build, open_sets


@pytest.mark.parametrize("generator", ["translator", "lite"])
def test_it_trains_and_leaves_a_style_with_its_card(data: Path, tmp_path: Path, generator: str) -> None:
    recipe = tiny(data, f"generator={generator}", "run.sample_every=2", "name=tiny", "data=['noise, CC0']")
    style = run(recipe, tmp_path)
    net, card = load_checkpoint(style)
    assert (card.name, card.architecture, card.data) == ("tiny", generator, ("noise, CC0",))
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    kept = read_checkpoint(tmp_path / "checkpoint.pt")["state"]["ema"]
    assert all(torch.equal(kept[key], value) for key, value in net.state_dict().items())
    lines = read_log(tmp_path / "log.jsonl")
    assert len(lines) == 4 and {"d", "d_pair", "gan", "hdce", "hdce_identity", "src", "style_nce"} <= set(
        lines[0]
    )
    assert {"pair_gan", "temporal", "identity", "g"} <= set(lines[0]) and "perceptual" not in lines[0]
    with Image.open(tmp_path / "samples" / "0000004.png") as sheet:
        assert sheet.size == (4 * 34 - 2, 5 * 34 - 2)


def test_every_network_learns(data: Path) -> None:
    recipe = tiny(data)
    with TranslatorProgram(recipe, open_sets(recipe)) as program:
        before = {name: [p.clone() for p in part.parameters()] for name, part in program.parts.items()}
        program.step(0)
        assert set(before) == {"g", "d", "d_pair", "heads", "heads_pair"}
        for name, part in program.parts.items():
            moved = [not torch.equal(a, b) for a, b in zip(before[name], part.parameters(), strict=True)]
            assert sum(moved) >= 0.5 * len(moved), name


def test_a_run_in_pieces_equals_a_run_in_one(data: Path, tmp_path: Path) -> None:
    recipe = tiny(data)
    run(recipe, tmp_path / "one")
    for _ in range(4):
        run(recipe, tmp_path / "two", minutes=0)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    first, second = (read_log(tmp_path / name / "log.jsonl") for name in ("one", "two"))
    drop = [{k: v for k, v in line.items() if k != "rate"} for line in first]
    assert drop == [{k: v for k, v in line.items() if k != "rate"} for line in second]


def test_accumulated_passes_equal_one_large_batch(data: Path) -> None:
    states = []
    for batch, accumulate in ((2, 1), (1, 2)):
        recipe = tiny(data, f"batch={batch}", f"accumulate={accumulate}")
        with TranslatorProgram(recipe, open_sets(recipe)) as program:
            losses = program.step(0)
            gradients = [p.grad.clone() for part in program.parts.values() for p in part.parameters()]
        states.append((losses, gradients))
    for name in states[0][0]:
        assert float(states[0][0][name]) == pytest.approx(float(states[1][0][name]), abs=1e-4), name
    assert apart(states[0][1], states[1][1]) < 1e-3


def test_it_starts_from_a_style_file(data: Path, tmp_path: Path) -> None:
    style = run(tiny(data, "run.steps=1"), tmp_path)
    again = build(tiny(data, f"start={style}"), supervised=False)["g"].net
    kept = load_checkpoint(style)[0].state_dict()
    assert all(torch.equal(kept[key], value) for key, value in again.state_dict().items())
    with pytest.raises(CheckpointError, match="asks for a lite"):
        build(tiny(data, f"start={style}", "generator=lite"), supervised=False)


def test_bf16_and_the_perceptual_loss_run(data: Path) -> None:
    recipe = tiny(data, "precision=bf16", "weights.perceptual=0.2", "perceptual=efficientnet")
    with TranslatorProgram(recipe, open_sets(recipe)) as program:
        losses = program.step(0)
    assert all(np.isfinite(float(value)) for value in losses.values())
    assert float(losses["perceptual"]) > 0 and float(losses["src"]) > 0  # a divergence: never below 0
    with TranslatorProgram(tiny(data), open_sets(recipe)) as program:  # other numbers, the same process
        assert np.isfinite(float(program.step(0)["g"]))


def test_a_dry_run_tells_and_writes_nothing(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run(tiny(data), tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists()
    for part in ("photo: 5", "pair: 5", "d_pair: ", "4 steps of 2 images", "memory: about"):
        assert part in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        run(replace(tiny(data), photos=tmp_path / "none"), tmp_path / "out", dry_run=True)
    assert "missing: photos: " in caplog.text and "pair: 5" in caplog.text and "memory: about" in caplog.text


def test_its_checkpoint_can_be_imported_as_a_style(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = run(tiny(data, "data=['noise, CC0']"), tmp_path / "run")
    card = import_checkpoint(tmp_path / "run" / "checkpoint.pt", "halfway", tmp_path / "models")
    ours, _ = load_checkpoint(tmp_path / "models" / "halfway.safetensors")
    theirs, _ = load_checkpoint(style)
    assert all(torch.equal(theirs.state_dict()[key], value) for key, value in ours.state_dict().items())
    assert card.data == ("noise, CC0",) and not card.commercial_use and "unknown" in card.licence


def test_the_paper_at_its_size_on_paper() -> None:
    told = describe(load_recipe(Recipe, None, ["pairs=somewhere"]))
    assert "g: 11,378,179 parameters" in told
    assert "1,800,000 steps of 1 images a process at 256 px" in told


def test_settings_that_cannot_work_are_refused() -> None:
    for override, says in (
        ("augment.size=66", "multiple of 4"),
        ("batch=0", "at least 1"),
        ("ema=1.0", "ema"),
        ("lite.dial=true", "dial"),
        ("weights.gan=-1.0", "weights.gan"),
    ):
        with pytest.raises(ConfigError, match=says):
            load_recipe(Recipe, None, [override])
