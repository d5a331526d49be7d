"""Keep the pairs whose two images show the same things in the same places.

The official filter compares a cross-entropy of probability-like scores with a threshold close to chance
(docs/paper.md). Here a pair's score is the mean IoU of its two segmentations, and the threshold is
calibrated: a pair must agree better than nearly all *mismatched* pairs, made by shuffling partners, do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenivid.errors import ConfigError, DataError
from scenivid.training.pairs.segmenters import Segmenter

_SMALLEST_SHARE = 0.02


@dataclass(frozen=True)
class SelectionSettings:
    """What a pair must pass."""

    false_accept: float = 0.02
    """Share of mismatched pairs that may pass the agreement threshold."""
    min_classes: int = 2
    """Classes that must be in both images, each on at least 2 % of the area."""
    best_share: float = 1.0
    """Largest share of the calibration pairs that passes: below 1 the threshold rises to drop the worst.
    Among pairs that agree equally well, lots are drawn."""
    calibration_pairs: int = 192

    def __post_init__(self) -> None:
        if not 0 <= self.false_accept < 1 or not 0 < self.best_share <= 1:
            raise ConfigError("selection: 0 ≤ false_accept < 1 and 0 < best_share ≤ 1 expected")
        if self.min_classes < 1 or self.calibration_pairs < 8:
            raise ConfigError("selection: min_classes ≥ 1 and calibration_pairs ≥ 8 expected")


@dataclass(frozen=True)
class Score:
    """How well the two images of a pair agree."""

    agreement: float
    """Mean IoU of the labels, 0..1."""
    classes: int
    """Labels that cover at least 2 % of both images."""


@dataclass(frozen=True)
class Calibration:
    """The threshold and what it was read from."""

    threshold: float
    """Agreement a pair must reach."""
    matched_mean: float
    mismatched_mean: float
    separation: float
    """Probability that a matched pair agrees better than a mismatched one (area under the ROC curve)."""
    matched_kept: float
    """Share of the matched calibration pairs that passes."""
    mismatched_kept: float
    pairs: int
    tied_kept: float = 1.0
    """Share that passes of the pairs that agree exactly as the threshold asks, see `best_share`."""


def score_labels(first: Tensor, second: Tensor) -> Score:
    """Agreement of two label maps.

    Mean IoU over the labels that cover at least 2 % of either image: one that is large in one image and
    absent in the other counts as 0.

    Args:
        first, second: int64 [h, w], labels ≥ 0 that mean the same in both.
    """
    count = int(max(first.max(), second.max())) + 1
    a = torch.bincount(first.flatten(), minlength=count).double()
    b = torch.bincount(second.flatten(), minlength=count).double()
    both = torch.bincount(first[first == second].flatten(), minlength=count).double()
    area = float(first.numel())
    seen = torch.maximum(a, b) >= _SMALLEST_SHARE * area
    iou = both[seen] / (a + b - both)[seen]
    shared = torch.minimum(a, b) >= _SMALLEST_SHARE * area
    return Score(float(iou.mean()), int(shared.sum()))


def score_pairs(segmenter: Segmenter, real: Tensor, anime: Tensor) -> list[Score]:
    """Score each pair of [N, 3, H, W] float in [0, 1]."""
    first, second = segmenter.label_pairs(real, anime)
    return [score_labels(a.cpu(), b.cpu()) for a, b in zip(first, second, strict=True)]


def calibrate(
    segmenter: Segmenter, real: Tensor, anime: Tensor, settings: SelectionSettings, chunk: int = 16
) -> Calibration:
    """Set the threshold from matched pairs and from the same images with partners shifted by half the set.

    Args:
        real, anime: [N, 3, H, W] float in [0, 1], N ≥ 8, matched.

    Raises:
        DataError: too few pairs.
    """
    if len(real) < 8:
        raise DataError(f"calibration needs at least 8 pairs, got {len(real)}")
    other = anime.roll(len(anime) // 2, dims=0)
    matched, mismatched = (
        torch.tensor(
            [
                score.agreement
                for i in range(0, len(real), chunk)
                for score in score_pairs(segmenter, real[i : i + chunk], partner[i : i + chunk])
            ]
        )
        for partner in (anime, other)
    )
    return calibration_of(matched, mismatched, settings)


def calibration_of(matched: Tensor, mismatched: Tensor, settings: SelectionSettings) -> Calibration:
    """The threshold from agreements [N] of matched and [M] of mismatched pairs."""
    threshold, tied_kept = float(mismatched.quantile(1 - settings.false_accept)), 1.0
    if settings.best_share < 1:
        lowest, lot = _best(matched, settings.best_share)
        if lowest >= threshold:
            threshold, tied_kept = lowest, lot
    above = (matched[:, None] > mismatched[None]).double().mean()
    equal = (matched[:, None] == mismatched[None]).double().mean()
    return Calibration(
        threshold=threshold,
        matched_mean=float(matched.mean()),
        mismatched_mean=float(mismatched.mean()),
        separation=float(above + equal / 2),
        matched_kept=_kept(matched, threshold, tied_kept),
        mismatched_kept=_kept(mismatched, threshold, tied_kept),
        pairs=len(matched),
        tied_kept=tied_kept,
    )


def _best(agreements: Tensor, share: float) -> tuple[float, float]:
    """The lowest agreement among the best `share`, and the share of the pairs with it that belong there."""
    values, counts = torch.unique(agreements, return_counts=True)
    reach = counts.flip(0).cumsum(0).flip(0) / len(agreements)
    last = int((reach >= share).sum()) - 1
    above = float(reach[last + 1]) if last + 1 < len(values) else 0.0
    return float(values[last]), (share - above) / (float(reach[last]) - above)


def _kept(agreements: Tensor, threshold: float, tied_kept: float) -> float:
    above, tied = agreements > threshold, agreements == threshold
    return float(above.double().mean() + tied_kept * tied.double().mean())


def passes(score: Score, calibration: Calibration, settings: SelectionSettings, lot: float = 0.0) -> bool:
    """Whether a pair is kept; `lot` in [0, 1) decides for one that agrees exactly as the threshold asks."""
    reaches = score.agreement > calibration.threshold or (
        score.agreement == calibration.threshold and lot < calibration.tied_kept
    )
    return reaches and score.classes >= settings.min_classes
