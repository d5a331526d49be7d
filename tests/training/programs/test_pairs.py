"""`train pairs`: shared w and noise, every source, selection, the folder it writes, resume."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scenivid.errors import ConfigError, DataError
from scenivid.nets.stylegan2 import Generator, StyleGAN2Params, mean_style, truncate
from scenivid.training.data.samples import find_pairs
from scenivid.training.pairs.program import read_manifest
from scenivid.training.pairs.sources import FolderPairs, StyleGanPairs
from scenivid.training.programs.pairs import Recipe, run
from scenivid.training.recipe import load_recipe
from scenivid.training.run.random_state import generator

RECIPES = Path(__file__).resolve().parents[3] / "train" / "recipes"
TOY = StyleGAN2Params(size=32, channel_multiplier=1 / 64, style_dim=8, mapping_layers=2)


def noisy(seed: int) -> Generator:
    """A generator in which the noise planes matter."""
    torch.manual_seed(seed)
    net = Generator(TOY).requires_grad_(False)
    for name, weight in net.named_parameters():
        if name.endswith("noise.weight"):
            weight.fill_(0.3)
    return net.eval()


@pytest.fixture
def networks(tmp_path: Path) -> list[str]:
    """--set lines for a source and a target that is a slightly changed copy."""
    source, target = noisy(1), noisy(1)
    target.to_rgbs[-1].bias += 0.2
    for name, net in (("source", source), ("target", target)):
        torch.save({"g_ema": net.state_dict()}, tmp_path / f"{name}.pt")
    return [f"stylegan.{name}={(tmp_path / f'{name}.pt').as_posix()}" for name in ("source", "target")]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for i in range(3):
        Image.fromarray(rng.integers(0, 255, (70, 80, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def toy_recipe(*sets: str) -> Recipe:
    lines = ["candidates=20", "batch=8", "segmenter=clusters", "selection.calibration_pairs=16"]
    return load_recipe(Recipe, None, [*lines, "run.tensorboard=false", *sets])


@pytest.mark.parametrize(("name", "psi"), [("paper-pairs", 0.7), ("tiny-pairs", 0.8)])
def test_recipes_parse(name: str, psi: float) -> None:
    recipe = load_recipe(Recipe, RECIPES / f"{name}.toml")
    assert recipe.stylegan.psi == psi and recipe.stylegan.share_noise


def test_a_pair_is_one_w_and_one_noise_through_both_generators() -> None:
    source, target = noisy(1), noisy(2)
    real, anime = StyleGanPairs(source, target, psi=0.7, seed=3).pairs(4, 1)
    rng = generator(3, 12, 4)
    z = torch.randn(8, generator=rng)
    noise = source.make_noise(1, rng)
    w = truncate(source.style(z[None]), mean_style(source, 4096, generator(3, 11)), 0.7)
    for made, net in ((real, source), (anime, target)):
        torch.testing.assert_close(made, (net(w, noise) / 2 + 0.5).clamp(0, 1))


def test_with_one_network_both_images_are_equal_only_if_the_noise_is_shared() -> None:
    net = noisy(1)
    real, anime = StyleGanPairs(net, net, share_noise=True).pairs(0, 2)
    assert torch.equal(real, anime)
    real, anime = StyleGanPairs(net, net, share_noise=False).pairs(0, 2)
    assert not torch.allclose(real, anime, atol=1e-3)


def test_pairs_do_not_depend_on_how_they_are_batched() -> None:
    pairs = StyleGanPairs(noisy(1), noisy(2))
    together, second = pairs.pairs(0, 4)[1], pairs.pairs(2, 2)[1]
    torch.testing.assert_close(together[2:], second, atol=1e-5, rtol=1e-5)


def test_swapping_all_layers_gives_the_source() -> None:
    real, anime = StyleGanPairs(noisy(1), noisy(2), swap_below=64).pairs(0, 2)
    assert torch.equal(real, anime)
    with pytest.raises(ConfigError, match="differ in shape"):
        StyleGanPairs(noisy(1), Generator(StyleGAN2Params(32, 1 / 64, 9, 2)))


def test_a_run_writes_a_folder_that_the_translator_reads(networks: list[str], tmp_path: Path) -> None:
    out = run(toy_recipe(*networks, "selection.min_classes=1", "selection.best_share=0.6"), tmp_path / "out")
    rows = read_manifest(out)
    kept = [row for row in rows if row["kept"]]
    assert [row["index"] for row in rows] == list(range(20)) and 0 < len(kept) < 20
    threshold = json.loads((out / "calibration.json").read_text())["threshold"]
    assert all((float(str(row["agreement"])) >= threshold - 1e-5) == row["kept"] for row in rows)
    entries = find_pairs(out)
    assert len(entries) == len(kept) == len(list((out / "anime").iterdir()))
    assert entries[0][0].path.parent.name == "real"
    sheet = cv2.imread(str(out / "kept.jpg"))
    assert sheet is not None and sheet.shape[1] == 8 * 34 - 2
    assert (out / "dropped.jpg").exists()


def test_a_killed_run_goes_on_without_doubling_or_losing_a_pair(
    networks: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy_recipe(*networks, "segmenter=none")
    whole = run(recipe, tmp_path / "whole")
    from scenivid.training.pairs import sources

    make, calls = sources.StyleGanPairs.pairs, []

    def die(self: StyleGanPairs, first: int, count: int) -> tuple[Tensor, Tensor]:
        calls.append(first)
        if first == 16:
            raise KeyboardInterrupt
        return make(self, first, count)

    monkeypatch.setattr(sources.StyleGanPairs, "pairs", die)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "parts")
    with (tmp_path / "parts" / "manifest.jsonl").open("a") as file:
        file.write('{"index": 16, "sou')  # the line a crash left half-written
    monkeypatch.undo()
    parts = run(recipe, tmp_path / "parts")
    assert read_manifest(parts) == read_manifest(whole)
    for row in read_manifest(whole):
        name = str(row["target"])
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


def test_dropped_pairs_are_kept_on_disk_when_asked(networks: list[str], tmp_path: Path) -> None:
    sets = ["selection.min_classes=1", "selection.best_share=0.5", "save_dropped=true"]
    out = run(toy_recipe(*networks, *sets), tmp_path / "out")
    assert len(list((out / "real").iterdir())) == 20 > len(find_pairs(out))


def test_nothing_kept_is_an_error_that_says_where_to_look(networks: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dropped\.jpg"):
        run(toy_recipe(*networks, "selection.min_classes=99"), tmp_path / "out")
    assert (tmp_path / "out" / "dropped.jpg").exists()


def test_the_painter_is_a_source(photos: Path, tmp_path: Path) -> None:
    sets = ["pairs=painter", f"photo.photos={photos.as_posix()}", "photo.size=48", "segmenter=none"]
    out = run(toy_recipe(*sets, "candidates=2"), tmp_path / "out")
    assert len(find_pairs(out)) == 2
    with pytest.raises(ConfigError, match="magic"):
        run(toy_recipe(*sets, "photo.style=magic"), tmp_path / "other", dry_run=True)


def test_the_user_s_own_folder_is_a_source(photos: Path, tmp_path: Path) -> None:
    for side in ("source", "target"):
        (tmp_path / "mine" / side).mkdir(parents=True)
        for path in photos.iterdir():
            (tmp_path / "mine" / side / path.name).write_bytes(path.read_bytes())
    sets = ["pairs=folder", f"folder={(tmp_path / 'mine').as_posix()}", "photo.size=48", "segmenter=none"]
    out = run(toy_recipe(*sets), tmp_path / "out")
    assert len(find_pairs(out)) == 3  # as many as there are, not the 20 candidates
    source = FolderPairs(tmp_path / "mine", 48)
    real, anime = source.pairs(0, 3)
    assert torch.equal(real, anime)
    with pytest.raises(DataError, match="holds 3 pairs"):
        source.pairs(2, 2)


def test_the_dry_run_checks_the_source_and_writes_nothing(
    networks: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(toy_recipe(*networks), tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists()
    with caplog.at_level("INFO"):
        run(toy_recipe("stylegan.source=none.pt"), tmp_path / "out", dry_run=True)
    assert "missing: source of pairs: none.pt" in caplog.text and not (tmp_path / "out").exists()
