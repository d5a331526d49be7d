"""The translator program: trains, resumes bit for bit, shares passes without changing a loss, scales."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from time_shared_passes import measure, naive_losses, naive_translate
from torch import Tensor

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.styles.published import import_checkpoint
from scenivid.training.log import read_log
from scenivid.training.loop import read_checkpoint
from scenivid.training.programs.translator import TranslatorProgram, describe, run
from scenivid.training.programs.translator_recipe import Recipe, build, moment_of, open_sets
from scenivid.training.recipe import load_recipe
from scenivid.training.translation import Batch, Networks, generator_losses, term_weights, translate

TINY = (
    "run.steps=4",
    "run.log_every=1",
    "run.sample_every=0",
    "run.tensorboard=false",
    "augment.size=32",
    "translator.width=4",
    "translator.blocks=5",
    "lite.widths=[16,16,16]",
    "lite.middle_dilations=[1]",
    "lite.decode_blocks=[1,1]",
    "discriminator_width=4",
    "discriminator_layers=1",
    "contrast.places=16",
    "contrast.width=8",
    "weights.temporal=1.0",
    "weights.identity=0.5",
    "batch=2",
    "epochs=2",
    "workers=0",
    "device=cpu",
)


def write_data(folder: Path) -> None:
    random = np.random.default_rng(0)
    for side in ("photos", "paintings", "pairs/source", "pairs/target"):
        (folder / side).mkdir(parents=True)
        for number in range(5):
            coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8))
            coarse.resize((56, 40), Image.Resampling.BICUBIC).save(folder / side / f"{number}.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


def tiny(data: Path, *more: str) -> Recipe:
    folders = [f"photos={data / 'photos'}", f"paintings={data / 'paintings'}", f"pairs={data / 'pairs'}"]
    return load_recipe(Recipe, None, [*TINY, *folders, *more])


def weights(out: Path) -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, Tensor):
            flat[name] = value
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}")

    walk(read_checkpoint(out / "checkpoint.pt")["state"], "")
    return flat


def apart(a: Iterable[Tensor], b: Iterable[Tensor]) -> float:
    """‖a − b‖ / ‖b‖ over all tensors together: some gradients are zero but for rounding."""
    first, second = (torch.cat([tensor.flatten() for tensor in side]) for side in (a, b))
    return float((first - second).norm() / second.norm())


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


def test_what_has_no_weight_is_not_built(data: Path) -> None:
    recipe = tiny(data, "weights.style_nce=0", "weights.hdce=0", "weights.src=0")
    assert set(build(recipe, supervised=True)) == {"g", "d", "d_pair"}
    alone = tiny(
        data, "pairs=none", "weights.temporal=0", "weights.identity=0", "weights.hdce_identity=false"
    )
    with TranslatorProgram(alone, open_sets(alone)) as program:
        assert set(program.parts) == {"g", "d", "heads"}
        assert not {"pair_gan", "hdce_identity", "temporal"} & set(program.step(0))


def test_it_starts_from_a_style_file(data: Path, tmp_path: Path) -> None:
    style = run(tiny(data, "run.steps=1"), tmp_path)
    again = build(tiny(data, f"start={style}"), supervised=False)["g"].net
    kept = load_checkpoint(style)[0].state_dict()
    assert all(torch.equal(kept[key], value) for key, value in again.state_dict().items())
    with pytest.raises(CheckpointError, match="asks for a lite"):
        build(tiny(data, f"start={style}", "generator=lite"), supervised=False)


def test_bf16_and_the_perceptual_loss_run(data: Path) -> None:
    AcceleratorState._reset_state(True)
    recipe = tiny(data, "precision=bf16", "weights.perceptual=0.2", "perceptual=efficientnet")
    with TranslatorProgram(recipe, open_sets(recipe)) as program:
        losses = program.step(0)
    assert all(np.isfinite(float(value)) for value in losses.values())
    assert float(losses["perceptual"]) > 0 and float(losses["src"]) > 0  # a divergence: never below 0
    with pytest.raises(ConfigError, match="any more"):
        TranslatorProgram(tiny(data), open_sets(recipe))
    AcceleratorState._reset_state(True)


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
        ("weights.gan=-1.0", "weights: gan"),
    ):
        with pytest.raises(ConfigError, match=says):
            load_recipe(Recipe, None, [override])


def losses_of(recipe: Recipe) -> list[dict[str, float]]:
    """Losses of the first two steps, then a digest of the weights they lead to."""
    with TranslatorProgram(recipe, open_sets(recipe)) as program:
        steps = [{k: float(v) for k, v in program.step(index).items()} for index in range(2)]
        digest = sum(float(p.detach().double().abs().sum()) for p in program.parts["g"].parameters())
    return [*steps, {"weights": digest}]


def main(data: str, out: str, *overrides: str) -> None:
    """Run by the tests below in processes of their own."""
    torch.set_num_threads(1)
    recipe = tiny(Path(data), *overrides)
    if out.endswith(".json"):
        Path(out).write_text(json.dumps(losses_of(recipe)))
    else:
        run(recipe, Path(out))


def start(arguments: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    return subprocess.Popen(command, env=os.environ | (environment or {}))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the processes of their own: sums depend on how they are divided among threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_equal_one_with_the_joint_batch(data: Path, tmp_path: Path, accumulate: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "1"}
    settings = ["batch=1", f"accumulate={accumulate}"]
    processes = [
        start(
            [str(data), str(tmp_path / f"{rank}.json"), *settings],
            shared | {"RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]
    alone = losses_of(tiny(data, f"batch={2 * accumulate}"))
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    for rank in "01":
        told = json.loads((tmp_path / f"{rank}.json").read_text())
        assert told[0] == pytest.approx(alone[0], rel=1e-4, abs=1e-5)
        # Adam's first step is the sign of the gradient, noise included: the biases before an InstanceNorm
        assert told[1] == pytest.approx(alone[1], rel=2e-2, abs=1e-3)
        assert told[2] == pytest.approx(alone[2], rel=1e-3)


@pytest.mark.slow
def test_killed_and_run_again_gives_the_weights_of_an_uninterrupted_run(
    data: Path, tmp_path: Path, one_thread: None
) -> None:
    common = ["run.steps=6", "run.checkpoint_minutes=0.001", "workers=1"]
    process = start([str(data), str(tmp_path / "two"), *common])
    checkpoint = tmp_path / "two" / "checkpoint.pt"
    limit = time.monotonic() + 300
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 0 < read_checkpoint(checkpoint)["step"] < 6
    for out in ("one", "two"):
        run(tiny(data, *common), tmp_path / out)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


if __name__ == "__main__":
    main(*sys.argv[1:])
