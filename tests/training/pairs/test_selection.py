"""Selection: scores against counts by hand, calibration, segmenters (offline and their clear errors)."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scenivid.errors import CheckpointError, ConfigError, DataError, DependencyError
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.training.pairs.segmenters import (
    ClusterSegmenter,
    DeepLabSegmenter,
    Mask2FormerSegmenter,
    k_means,
    open_segmenter,
)
from scenivid.training.pairs.selection import (
    Score,
    SelectionSettings,
    calibrate,
    calibration_of,
    passes,
    score_labels,
    score_pairs,
)
from scenivid.weights import published


def scenes(count: int, seed: int) -> Tensor:
    """Landscapes of a sky, a ground and a sun in different places, [count, 3, 64, 64]."""
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    images = []
    for _ in range(count):
        draw = torch.rand(9, generator=rng)
        horizon = 0.25 + 0.5 * draw[0] + (draw[1] - 0.5) * (x - 0.5)
        sky = torch.stack([0.3 + 0.3 * draw[2] + 0 * x, 0.5 + 0.3 * y, 0.8 + 0 * x])
        ground = torch.stack([0.3 + 0 * x, 0.2 + 0.4 * draw[3] + 0 * x, 0.15 + 0 * x])
        image = torch.where(y < horizon, sky, ground + 0.1 * torch.rand(1, 64, 64, generator=rng))
        sun = (x - draw[4]) ** 2 + (y - draw[5]) ** 2 < (0.1 + 0.15 * draw[6]) ** 2
        images.append(torch.where(sun, torch.tensor([0.95, 0.9, 0.6])[:, None, None], image))
    return torch.stack(images).clamp(0, 1)


def repainted(images: Tensor) -> Tensor:
    """The same scenes in another palette, flattened: what a good partner looks like."""
    flat = (images * 5).round() / 5
    return (flat[:, [2, 1, 0]] ** 0.7 * 0.8 + 0.15).clamp(0, 1)


def test_a_score_is_the_mean_iou_over_labels_large_enough() -> None:
    first = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2], [2, 2, 2, 2]])
    second = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]])
    score = score_labels(first, second)
    assert score.agreement == pytest.approx((4 / 5 + 3 / 4 + 4 / 8 + 0) / 4)
    assert score.classes == 3  # 3 is in one image only
    assert score_labels(first, first) == Score(1.0, 3)


def test_specks_do_not_count() -> None:
    first = torch.zeros(20, 20, dtype=torch.int64)
    second = first.clone()
    second[0, 0] = 5  # a quarter of a percent
    assert score_labels(first, second).classes == 1
    assert score_labels(first, second).agreement == pytest.approx(399 / 400)


def test_calibration_puts_the_threshold_above_nearly_all_mismatched_pairs() -> None:
    matched, mismatched = torch.linspace(0.5, 0.9, 101), torch.linspace(0.0, 0.6, 101)
    strict = calibration_of(matched, mismatched, SelectionSettings(false_accept=0.05))
    assert strict.threshold == pytest.approx(0.57)
    assert strict.mismatched_kept == pytest.approx(0.05, abs=0.01)
    assert strict.matched_kept == pytest.approx(0.83, abs=0.01)
    pairs = (matched.numpy()[:, None] > mismatched.numpy()[None]).mean()
    assert strict.separation == pytest.approx(pairs, abs=0.01)
    half = calibration_of(matched, mismatched, SelectionSettings(false_accept=0.05, best_share=0.5))
    assert half.threshold == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize(
    "matched",
    [
        [0.2, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9],
        [0.9] + 9 * [1.0],  # pairs of networks that hardly differ
        [i / 10 for i in range(10)],
    ],
)
def test_the_best_share_passes_where_agreements_tie(matched: list[float]) -> None:
    settings = SelectionSettings(false_accept=0.05, min_classes=1, best_share=0.7)
    found = calibration_of(torch.tensor(matched), torch.zeros(10), settings)
    assert found.matched_kept == pytest.approx(0.7)
    lots = [(i + 0.5) / 100 for i in range(100)]
    scores = [Score(agreement, 1) for agreement in torch.tensor(matched).tolist()]
    kept = [passes(score, found, settings, lot) for score in scores for lot in lots]
    assert sum(kept) / len(kept) == pytest.approx(0.7, abs=0.01)


def test_false_matches_can_ask_for_more_than_the_best_share_does() -> None:
    settings = SelectionSettings(false_accept=0.0, best_share=0.7)
    found = calibration_of(torch.tensor(5 * [0.5] + 5 * [0.9]), torch.full((10,), 0.8), settings)
    assert (found.threshold, found.tied_kept, found.matched_kept) == (pytest.approx(0.8), 1.0, 0.5)


def test_matched_pairs_are_kept_and_mismatched_ones_dropped() -> None:
    segmenter = ClusterSegmenter(load_efficientnet(), side=96)
    settings = SelectionSettings(false_accept=0.0, min_classes=2)
    real = scenes(16, seed=1)
    calibration = calibrate(segmenter, real, repainted(real), settings)
    assert calibration.separation > 0.95
    assert calibration.matched_mean > calibration.mismatched_mean + 0.2
    fresh = scenes(12, seed=2)
    kept = [passes(s, calibration, settings) for s in score_pairs(segmenter, fresh, repainted(fresh))]
    wrong = score_pairs(segmenter, fresh, repainted(fresh).roll(5, dims=0))
    accepted = [passes(s, calibration, settings) for s in wrong]
    assert sum(kept) >= 9 and sum(accepted) <= 2


def test_a_pair_with_too_few_classes_is_dropped() -> None:
    settings = SelectionSettings(min_classes=3)
    calibration = calibration_of(torch.tensor([0.9]), torch.tensor([0.1]), settings)
    assert passes(Score(0.8, 3), calibration, settings)
    assert not passes(Score(0.8, 2), calibration, settings)
    assert not passes(Score(0.05, 3), calibration, settings)


def test_labels_do_not_depend_on_the_other_pairs_of_the_batch() -> None:
    segmenter = ClusterSegmenter(load_efficientnet(), side=64)
    real = scenes(3, seed=4)
    batch, _ = segmenter.label_pairs(real, repainted(real))
    alone, _ = segmenter.label_pairs(real[1:2], repainted(real)[1:2])
    assert batch.shape == (3, 8, 8) and batch.dtype == torch.int64
    assert (batch[1] == alone[0]).float().mean() > 0.95


def test_k_means_finds_separate_blobs() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = torch.cat([centre + 0.1 * torch.randn(20, 2) for centre in centres])
    labels = k_means(points, 3)
    groups = [set(labels[i : i + 20].tolist()) for i in (0, 20, 40)]
    assert all(len(group) == 1 for group in groups) and len(set.union(*groups)) == 3
    assert torch.equal(labels, k_means(points, 3))


def test_settings_and_sets_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="false_accept"):
        SelectionSettings(false_accept=1.5)
    with pytest.raises(DataError, match="8 pairs"):
        calibrate(ClusterSegmenter(load_efficientnet()), *[torch.rand(2, 3, 64, 64)] * 2, SelectionSettings())


def test_deeplab_gives_one_label_a_pixel_and_names_the_file_it_lacks(tmp_path: Path) -> None:
    class Network(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"out": torch.cat([x, x[:, :1] * 0 + 0.5], dim=1)}

    labels, _ = DeepLabSegmenter(Network(), side=32).label_pairs(*[torch.rand(2, 3, 64, 64)] * 2)
    assert labels.shape == (2, 32, 32) and int(labels.max()) <= 3
    with pytest.raises(CheckpointError, match="deeplabv3_resnet50_coco"):
        open_segmenter("deeplab", weights=tmp_path / "none.pth")


def test_deeplab_loads_torchvision_s_layout(tmp_path: Path) -> None:
    from torchvision.models.segmentation import deeplabv3_resnet50

    network = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    torch.save(network.state_dict(), tmp_path / "deeplab.pth")
    segmenter = open_segmenter("deeplab", weights=tmp_path / "deeplab.pth")
    assert isinstance(segmenter, DeepLabSegmenter)
    own = segmenter.network.state_dict()
    assert all(torch.equal(own[key], value) for key, value in network.state_dict().items())


def test_mask2former_without_transformers_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DependencyError, match=r"scenivid\[pairs\]"):
        open_segmenter("mask2former")


def test_mask2former_without_weights_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, local_files_only: bool) -> Any:
        raise OSError(f"{name} does not appear to have a file\nand more lines")

    cls = SimpleNamespace(from_pretrained=refuse)
    fake = SimpleNamespace(AutoImageProcessor=cls, Mask2FormerForUniversalSegmentation=cls)
    monkeypatch.setitem(sys.modules, "transformers", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(published, "reachable", lambda host: False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    for words, says in (
        ({}, "mask2former-swin-base-ade-semantic"),
        ({"weights": tmp_path}, "doesn't hold a Mask2"),
    ):
        with pytest.raises(CheckpointError, match=says) as raised:
            open_segmenter("mask2former", **words)  # type: ignore[arg-type]
        assert "\n" not in str(raised.value)


def test_mask2former_s_maps_come_back_at_the_images_size() -> None:
    class Inputs(dict[str, Tensor]):
        def to(self, device: object) -> Inputs:
            return self

    class Processor:
        def __call__(self, images: list[Any], do_rescale: bool, return_tensors: str) -> Inputs:
            assert not do_rescale and images[0].shape == (40, 48, 3)
            return Inputs(pixel_values=torch.zeros(len(images), 3, 8, 8))

        def post_process_semantic_segmentation(
            self, outputs: Tensor, target_sizes: list[tuple[int, int]]
        ) -> list[Tensor]:
            return [torch.full(size, 7) for size in target_sizes]

    class Network(nn.Module):
        def forward(self, pixel_values: Tensor) -> Tensor:
            return pixel_values

    segmenter = Mask2FormerSegmenter(Network(), Processor())
    first, second = segmenter.label_pairs(torch.rand(2, 3, 40, 48), torch.rand(2, 3, 40, 48))
    assert first.shape == second.shape == (2, 40, 48) and bool((first == 7).all())


def test_an_unknown_segmenter_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="clusters, mask2former or deeplab"):
        open_segmenter("magic")  # type: ignore[arg-type]
