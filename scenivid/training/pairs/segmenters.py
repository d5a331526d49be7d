"""Segmentation of both images of a pair into shared labels: ADE20K or VOC classes, or clusters (offline).

segmenter = open_segmenter("clusters", device)
real_labels, anime_labels = segmenter.label_pairs(real, anime)      # int64 [N, h, w]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.errors import CheckpointError, ConfigError, DependencyError
from scenivid.perception.efficientnet import EfficientNetLite0, load_efficientnet
from scenivid.training.planning.missing import Needed
from scenivid.training.run.random_state import generator
from scenivid.weights.catalogue import DEEPLAB, MASK2FORMER
from scenivid.weights.published import fetch_published, load_published
from scenivid.weights.torch_file import read_state

SegmenterName = Literal["clusters", "mask2former", "deeplab"]
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Segmenter(Protocol):
    """Gives every place of an image a label that means the same in its partner."""

    name: str

    def label_pairs(self, real: Tensor, anime: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, H, W] float in [0, 1] twice, to labels int64 [N, h, w] twice; h, w the segmenter's own."""


class ClusterSegmenter:
    """k-means over EfficientNet maps, colour and position, one clustering for both images of a pair.

    EfficientNet features and colours are standardised over each image first, so that what changes
    everywhere at once (a palette, the look of paint) doesn't move a place to another cluster.

    Args:
        clusters: labels a pair.
        side: images are resized to this; labels come out at an eighth of it.
        position: weight of the coordinates; with 0, two pictures of the same materials in other places agree.
    """

    name = "clusters"

    def __init__(
        self, network: EfficientNetLite0, clusters: int = 6, side: int = 128, position: float = 0.5
    ) -> None:
        self.network, self.clusters, self.side, self.position = network, clusters, side, position

    @torch.no_grad()
    def label_pairs(self, real: Tensor, anime: Tensor) -> tuple[Tensor, Tensor]:
        first, second = self._features(real), self._features(anime)
        points = torch.cat([first.flatten(1, 2), second.flatten(1, 2)], dim=1)
        labels = torch.stack([k_means(pair, self.clusters) for pair in points])
        sides = labels.reshape(len(real), 2, *first.shape[1:3])
        return sides[:, 0], sides[:, 1]

    def _features(self, images: Tensor) -> Tensor:
        """[N, h, w, D]: three groups of about equal weight."""
        resized = F.interpolate(images.float(), size=(self.side,) * 2, mode="bilinear", antialias=True)
        maps = self.network.forward_features(resized)[2:4]
        height, width = maps[0].shape[-2:]
        deep = [F.interpolate(m, size=(height, width), mode="bilinear", align_corners=False) for m in maps]
        colour = F.interpolate(resized, size=(height, width), mode="area")
        groups = [_standardised(m) / m.shape[1] ** 0.5 for m in [*deep, colour]]
        y, x = torch.meshgrid(
            torch.linspace(-1.7, 1.7, height), torch.linspace(-1.7, 1.7, width), indexing="ij"
        )  # standard deviation 1
        place = self.position * torch.stack([y, x]).to(images.device) / 2**0.5
        groups.append(place.expand(len(images), -1, -1, -1))
        return torch.cat(groups, dim=1).permute(0, 2, 3, 1)


class Mask2FormerSegmenter:
    """Mask2Former with Swin-B on ADE20K's 150 classes (Cheng et al. 2022), as in the paper."""

    name = "mask2former"

    def __init__(self, network: nn.Module, processor: Any, device: torch.device | str = "cpu") -> None:
        self.network, self.processor, self.device = network.to(device).eval(), processor, device

    def label_pairs(self, real: Tensor, anime: Tensor) -> tuple[Tensor, Tensor]:
        return self._labels(real), self._labels(anime)

    @torch.no_grad()
    def _labels(self, images: Tensor) -> Tensor:
        pixels = [image.permute(1, 2, 0).cpu().numpy() for image in images]
        inputs = self.processor(images=pixels, do_rescale=False, return_tensors="pt").to(self.device)
        size = tuple(images.shape[-2:])
        maps = self.processor.post_process_semantic_segmentation(
            self.network(**inputs), target_sizes=[size] * len(pixels)
        )
        return torch.stack([labels.long() for labels in maps])


class DeepLabSegmenter:
    """torchvision's DeepLabV3-ResNet50 on VOC's 21 classes; most of a landscape is its class background."""

    name = "deeplab"

    def __init__(self, network: nn.Module, side: int = 256) -> None:
        self.network, self.side = network.eval(), side

    def label_pairs(self, real: Tensor, anime: Tensor) -> tuple[Tensor, Tensor]:
        return self._labels(real), self._labels(anime)

    @torch.no_grad()
    def _labels(self, images: Tensor) -> Tensor:
        resized = F.interpolate(images.float(), size=(self.side,) * 2, mode="bilinear", antialias=True)
        mean = resized.new_tensor(_IMAGENET_MEAN)[:, None, None]
        std = resized.new_tensor(_IMAGENET_STD)[:, None, None]
        scores: Tensor = self.network((resized - mean) / std)["out"]
        return scores.argmax(dim=1)


def open_segmenter(
    name: SegmenterName, device: torch.device | str = "cpu", weights: Path | None = None
) -> Segmenter:
    """Load a segmenter by name.

    Args:
        weights: EfficientNet's file, the folder of a downloaded Mask2Former, or torchvision's DeepLab file;
            None fetches the published ones where they aren't cached.

    Raises:
        DependencyError: the package it needs is missing.
        CheckpointError: the weights can't be had; the message says what to put where.
    """
    if name == "clusters":
        return ClusterSegmenter(load_efficientnet(device, weights))
    if name == "mask2former":
        return _load_mask2former(device, weights)
    if name == "deeplab":
        return _load_deeplab(device, weights)
    raise ConfigError(f"no segmenter named {name!r}; choose clusters, mask2former or deeplab")


def weights_of(name: SegmenterName | Literal["none"], own: Path | None = None) -> list[Needed]:
    """Weights of others that a segmenter needs.

    Raises:
        DependencyError: the package that runs them is missing.
    """
    if name == "mask2former":
        _transformers()
    published = {"mask2former": MASK2FORMER, "deeplab": DEEPLAB}.get(name)
    return [] if published is None else [(published, own)]


def k_means(points: Tensor, clusters: int, rounds: int = 12, seed: int = 0) -> Tensor:
    """Labels [P] of points [P, D]: Lloyd's algorithm from farthest-point starts; deterministic."""
    first = int(torch.randint(len(points), (), generator=generator(seed, len(points))))
    centres = [points[first]]
    nearest = (points - centres[0]).square().sum(dim=1)
    for _ in range(1, clusters):
        centres.append(points[int(nearest.argmax())])
        nearest = torch.minimum(nearest, (points - centres[-1]).square().sum(dim=1))
    centre = torch.stack(centres)
    labels = torch.cdist(points, centre).argmin(dim=1)
    for _ in range(rounds):
        one_hot = F.one_hot(labels, clusters).to(points.dtype)
        counts = one_hot.sum(dim=0)[:, None]
        centre = torch.where(counts > 0, one_hot.T @ points / counts.clamp(min=1), centre)
        moved = torch.cdist(points, centre).argmin(dim=1)
        if torch.equal(moved, labels):
            break
        labels = moved
    return labels


def _standardised(maps: Tensor) -> Tensor:
    mean = maps.mean(dim=(2, 3), keepdim=True)
    return (maps - mean) / (maps.std(dim=(2, 3), keepdim=True) + 1e-4)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as exc:
        raise DependencyError("the mask2former segmenter needs: pip install 'scenivid[pairs]'") from exc
    return transformers


def _load_mask2former(device: torch.device | str, weights: Path | None) -> Mask2FormerSegmenter:
    library = _transformers()
    try:
        place = str(weights or fetch_published(MASK2FORMER))
    except CheckpointError as exc:
        raise CheckpointError(f"{exc}; or use the segmenter clusters") from exc
    try:
        processor = library.AutoImageProcessor.from_pretrained(place, local_files_only=True)
        network = library.Mask2FormerForUniversalSegmentation.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError) as exc:
        reason = str(exc).splitlines()[0]
        raise CheckpointError(f"{place} doesn't hold a Mask2Former ({reason})") from exc
    return Mask2FormerSegmenter(network, processor, device)


def _load_deeplab(device: torch.device | str, weights: Path | None) -> DeepLabSegmenter:
    from torchvision.models.segmentation import deeplabv3_resnet50

    network = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    try:
        network.load_state_dict(load_published(DEEPLAB, read_state, weights=weights)[1])
    except (CheckpointError, RuntimeError) as exc:
        reason = str(exc).splitlines()[0]
        raise CheckpointError(
            f"DeepLabV3 can't be loaded ({reason}); give torchvision's {DEEPLAB.file} as weights, or use the "
            "segmenter clusters"
        ) from exc
    return DeepLabSegmenter(network.to(device))
