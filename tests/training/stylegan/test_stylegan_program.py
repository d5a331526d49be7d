"""`train stylegan`: learns, freezes, resumes bit for bit, writes the published layout, describes itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_stylegan import toy_recipe

from scenivid.errors import Cancelled, CheckpointError, ConfigError
from scenivid.nets.stylegan2 import Generator, StyleGAN2Params, load_generator, read_checkpoint
from scenivid.nets.stylegan2_discriminator import Discriminator, load_discriminator
from scenivid.styles.published import import_checkpoint
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import scan
from scenivid.training.data.memory import MemorySet
from scenivid.training.programs.stylegan import Recipe, run
from scenivid.training.recipe import load_recipe
from scenivid.training.run.log import read_log
from scenivid.training.run.loop import Progress
from scenivid.training.run.world import World, open_world
from scenivid.training.stylegan.gan import Gan
from scenivid.training.stylegan.realism import Realism, RealismSettings
from scenivid.training.stylegan.results import NETWORKS, sample
from scenivid.training.stylegan.settings import GanSettings

RECIPES = Path(__file__).resolve().parents[3] / "train" / "recipes"
TOY = StyleGAN2Params(size=32, channel_multiplier=1 / 64, style_dim=8, mapping_layers=2)


@pytest.mark.parametrize("name", ["paper-stylegan", "tiny-stylegan"])
def test_recipes_parse(name: str) -> None:
    assert load_recipe(Recipe, RECIPES / f"{name}.toml").program == "stylegan"


def test_the_paper_s_recipe_is_config_f() -> None:
    recipe = load_recipe(Recipe, RECIPES / "paper-stylegan.toml")
    assert recipe.network == StyleGAN2Params(256, 2.0, 512, 8)
    assert (recipe.gan.r1, recipe.gan.r1_every, recipe.gan.path, recipe.gan.path_every) == (10, 16, 2, 4)


def test_a_run_writes_networks_that_load_and_logs_every_loss(photos: Path, tmp_path: Path) -> None:
    path = run(toy_recipe(photos), tmp_path / "out")
    assert path == tmp_path / "out" / NETWORKS
    assert set(read_checkpoint(path)) == {"g", "g_ema", "d"}
    assert load_generator(path).params == TOY
    load_discriminator(path, TOY)
    logged = read_log(tmp_path / "out" / "log.jsonl")
    assert {"d_loss", "g_loss", "r1", "path", "ada_p"} <= logged[0].keys()
    assert "r1" not in logged[1] and "path" not in logged[1]  # lazy: every second step
    assert logged[-1]["ada_p"] > 0 or logged[-1]["d_real"] < 0


def test_a_stopped_and_continued_run_ends_with_the_same_weights(photos: Path, tmp_path: Path) -> None:
    whole = read_checkpoint(run(toy_recipe(photos), tmp_path / "whole"))
    run(toy_recipe(photos, "run.steps=2"), tmp_path / "parts")
    parts = read_checkpoint(run(toy_recipe(photos), tmp_path / "parts"))
    for net in whole:
        for key, value in whole[net].items():
            assert torch.equal(value, parts[net][key]), (net, key)


def test_ctrl_c_leaves_networks_to_use(photos: Path, tmp_path: Path) -> None:
    def ctrl_c(now: Progress) -> None:
        if now.step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Cancelled):
        run(toy_recipe(photos), tmp_path / "out", progress=ctrl_c)
    load_generator(tmp_path / "out" / NETWORKS)


def test_training_starts_from_published_networks(photos: Path, tmp_path: Path) -> None:
    first = run(toy_recipe(photos), tmp_path / "first")
    recipe = toy_recipe(photos, f"start={first.as_posix()}", "run.steps=1", "gan.learning_rate=1e-12")
    again = read_checkpoint(run(recipe, tmp_path / "second"))
    before = read_checkpoint(first)
    for key in ("conv1.conv.weight", "style.1.weight"):
        assert torch.equal(before["g"][key], again["g"][key])


def test_a_dry_run_writes_nothing_and_checks_the_data(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run(toy_recipe(photos), tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists()
    assert "parameters" in caplog.text and "6 images" in caplog.text and "GB" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        run(toy_recipe(tmp_path / "none"), tmp_path / "out", dry_run=True)
    assert "missing: images: " in caplog.text and "GB" in caplog.text


def test_its_networks_are_no_style(photos: Path, tmp_path: Path) -> None:
    networks = run(toy_recipe(photos, "run.steps=1"), tmp_path / "out")
    with pytest.raises(CheckpointError, match="StyleGAN2: it makes pictures of its own"):
        import_checkpoint(networks, "gan", tmp_path / "models")
    with pytest.raises(CheckpointError, match=r"holds no style; .*train pairs.* stylegan2\.pt"):
        import_checkpoint(tmp_path / "out" / "checkpoint.pt", "gan", tmp_path / "models")


def test_freezing_keeps_what_it_names_and_trains_the_rest() -> None:
    settings = GanSettings(batch=4, trained_blocks=2, frozen_d_layers=2, path_every=1, r1_every=1)
    g, d = Generator(TOY), Discriminator(TOY)
    before = {k: v.clone() for net in (g, d) for k, v in net.state_dict(prefix=type(net).__name__).items()}
    gan = Gan(g, d, settings, 0, World(torch.device("cpu")))
    gan.discriminator_step(torch.rand(4, 3, 32, 32) * 2 - 1, 0)
    gan.generator_step(0)
    after = {k: v for net in (g, d) for k, v in net.state_dict(prefix=type(net).__name__).items()}
    moved = {
        key.split(".")[0] + "." + key.split(".")[1] for key in before if (before[key] != after[key]).any()
    }
    # Blocks are 4, 8, 16 and 32 px: convs.2 … convs.5 and to_rgbs.1, to_rgbs.2 are 16 and 32 px.
    fine = {"Generatorconvs.2", "Generatorconvs.3", "Generatorconvs.4", "Generatorconvs.5"}
    assert {key for key in moved if key.startswith("Generator")} == fine | {
        "Generatorto_rgbs.1",
        "Generatorto_rgbs.2",
    }
    assert not {"Discriminatorconvs.0", "Discriminatorconvs.1"} & moved
    assert {"Discriminatorconvs.2", "Discriminatorconvs.3", "Discriminatorfinal_conv.0"} <= moved


def test_freezing_more_than_there_is_names_what_there_is() -> None:
    with pytest.raises(ConfigError, match="4 generator blocks and 4 discriminator layers"):
        Gan(Generator(TOY), Discriminator(TOY), GanSettings(trained_blocks=9), 0, World(torch.device("cpu")))


def test_bfloat16_keeps_weights_and_regularisers_in_float32() -> None:
    settings = GanSettings(batch=4, precision="bf16", path_every=1, r1_every=1)
    torch.manual_seed(0)
    gan = Gan(Generator(TOY), Discriminator(TOY), settings, 0, World(torch.device("cpu")))
    losses = gan.discriminator_step(torch.rand(4, 3, 32, 32) * 2 - 1, 0) | gan.generator_step(0)
    assert all(value.dtype == torch.float32 and bool(value.isfinite()) for value in losses.values())
    assert {p.dtype for net in (gan.g, gan.d, gan.ema) for p in net.parameters()} == {torch.float32}


def test_a_sample_depends_on_its_number_alone() -> None:
    generator = Generator(TOY)
    both = sample(generator, 1, 0, 4, psi=0.7)
    torch.testing.assert_close(both[2:], sample(generator, 1, 2, 2, psi=0.7), atol=1e-5, rtol=1e-5)
    assert float(both.min()) >= 0 and float(both.max()) <= 1


def test_images_in_memory_are_crops_that_depend_on_seed_and_number(photos: Path) -> None:
    entries = scan(photos)
    images = MemorySet(entries, Augment(32, 1.0, 1.2), seed=3)
    again = MemorySet(entries, Augment(32, 1.0, 1.2), seed=3)
    other = MemorySet(entries, Augment(32, 1.0, 1.2), seed=4)
    assert images[7].shape == (3, 32, 32) and images[7].dtype == torch.uint8
    assert all(torch.equal(images[i], again[i]) for i in range(12))
    assert any(not torch.equal(images[i], other[i]) for i in range(12))
    # One epoch shows every picture once: six different top colours.
    assert len({tuple(images[i][:, 2, 16].tolist()) for i in range(6)}) == 6


def test_the_distance_is_small_for_like_and_large_for_unlike_images() -> None:
    from scenivid.perception.efficientnet import load_efficientnet

    real = torch.rand(24, 3, 32, 32) * 0.3
    settings = RealismSettings(every=1, images=24, side=64)
    realism = Realism([real], load_efficientnet(), settings)
    like = torch.rand(24, 3, 32, 32) * 0.3
    unlike = torch.linspace(0, 1, 32).expand(24, 3, 32, 32)
    near = realism.distance(lambda first, count: like[first : first + count])
    far = realism.distance(lambda first, count: unlike[first : first + count])
    assert realism.distance(lambda first, count: real[first : first + count]) == pytest.approx(0, abs=1e-3)
    assert 0 < near < far / 3


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def main(rank: str, out: str) -> None:
    """One of two processes: two steps from the same weights, each with its own batch."""
    torch.set_num_threads(1)
    world = open_world()
    torch.manual_seed(0)
    gan = Gan(Generator(TOY), Discriminator(TOY), GanSettings(batch=4, augment="ada"), 0, world)
    rng = torch.Generator().manual_seed(int(rank))
    for index in range(2):
        losses = gan.discriminator_step(torch.rand(4, 3, 32, 32, generator=rng) * 2 - 1, index)
        losses = gan.joint(losses | gan.generator_step(index))
    held = {f"{name}.{key}": value for name in ("g", "d", "g_ema") for key, value in
            (gan.state()[name].state_dict()).items()}  # fmt: skip
    torch.save(held | {"losses": torch.stack(list(losses.values()))}, out)


@pytest.mark.slow
def test_two_processes_stay_in_step(tmp_path: Path) -> None:
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, rank, str(tmp_path / f"{rank}.pt")],
            env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank, "ACCELERATE_USE_CPU": "1"},
        )
        for rank in "01"
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in "01")
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_averaged_gradients_are_those_of_the_joint_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    batch, gradients = torch.randn(6, 2), []
    for part in batch.split(3):
        weight.grad = None
        (part @ weight).square().mean().backward()
        gradients.append(weight.grad.clone())

    def other_process(joint: torch.Tensor) -> None:
        joint += gradients[0]

    monkeypatch.setattr(torch.distributed, "all_reduce", other_process)
    World(torch.device("cpu"), 1, 2).average_gradients([weight])
    averaged, weight.grad = weight.grad.clone(), None
    (batch @ weight).square().mean().backward()
    torch.testing.assert_close(averaged, weight.grad)


if __name__ == "__main__":
    main(*sys.argv[1:])
