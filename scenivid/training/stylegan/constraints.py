"""What holds a fine-tuned generator to its source: losses between what both make of the same w and noise.

λ_g·(D_CLIP + λ_l·LPIPS) + λ_p·PatchNCE, Scenimefy section 3.1. D_CLIP is the cosine distance of CLIP's
embeddings. A directional loss and other networks are options of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.nets.stylegan2 import Generator
from scenivid.perception.perceptual import Distance, open_distance, unlearnt_distance
from scenivid.perception.semantic import EncoderName, SemanticEncoder, open_encoder, unlearnt_encoder
from scenivid.pixels import from_signed
from scenivid.training.losses.semantic import (
    directional_loss,
    draw_boxes,
    embedding_distance,
    patch_contrast,
)


@dataclass(frozen=True)
class Constraints:
    """Weights of the semantic losses; the paper doesn't give its own. All 0 = plain fine-tuning."""

    encoder: EncoderName = "clip"
    weights: Path | None = None
    """The encoder's file, where it can't be downloaded."""
    semantic: float = 1.0
    """λ_g: multiplies the three below."""
    directional: float = 0.0
    """All pairs change in one direction, from the source domain to the target domain. Not in the paper."""
    embedding: float = 1.0
    """The global embeddings of a pair stay close: D_CLIP."""
    perceptual: float = 0.5
    """λ_l: perceptual distance of a pair."""
    perceptual_network: Literal["lpips", "encoder"] = "lpips"
    """LPIPS on VGG16, as in the paper; or what the encoder has of the kind, which needs no other weights."""
    lpips_weights: Path | None = None
    """Torchvision's file of VGG16, where it can't be downloaded."""
    patch: float = 0.5
    """λ_p: PatchNCE between the same places of a pair."""
    patches: int = 16
    """Places an image."""
    source_text: str | None = None
    """Description of the source, for CLIP: the direction goes from one description to the other; none = from
    images to images."""
    target_text: str | None = None
    direction_images: int = 256
    """Images of each domain that the direction is taken from, without texts."""

    def __post_init__(self) -> None:
        if (self.source_text is None) != (self.target_text is None):
            raise ConfigError("constraints: give both source_text and target_text, or neither")
        if self.source_text is not None and self.encoder != "clip":
            raise ConfigError(f"constraints: {self.encoder} has no texts; use the encoder clip")
        if self.patches < 2 or self.direction_images < 1:
            raise ConfigError("constraints: patches must be at least 2, direction_images 1")

    @property
    def active(self) -> bool:
        """Whether any of them counts."""
        return self.patch > 0 or self.semantic * max(self.directional, self.embedding, self.perceptual) > 0

    @property
    def wants_lpips(self) -> bool:
        """Whether LPIPS is among them."""
        return self.perceptual_network == "lpips" and self.semantic * self.perceptual > 0


@dataclass(frozen=True)
class Judges:
    """The frozen networks that the losses are taken with."""

    encoder: SemanticEncoder
    distance: Distance
    """The perceptual one."""


def open_judges(settings: Constraints, device: torch.device) -> Judges:
    """The networks that are asked for, with their weights.

    Raises:
        CheckpointError: weights that can't be had.
    """
    encoder = open_encoder(settings.encoder, device, settings.weights)
    if settings.wants_lpips:
        return Judges(encoder, open_distance("lpips", device, settings.lpips_weights))
    return Judges(encoder, encoder.distance)


def unlearnt_judges(settings: Constraints) -> Judges:
    """The same networks on the CPU with weights of no use, for `planning.memory`."""
    encoder = unlearnt_encoder(settings.encoder)
    return Judges(encoder, unlearnt_distance("lpips") if settings.wants_lpips else encoder.distance)


@dataclass(frozen=True, eq=False)
class Held:
    """A generator that is held to its source."""

    source: Generator
    judges: Judges
    settings: Constraints
    direction: Tensor | None
    """[D], from the source domain to the target's; None leaves the directional loss out."""

    def losses(
        self, images: Tensor, w: Tensor, noise: Sequence[Tensor], rng: torch.Generator
    ) -> dict[str, Tensor]:
        """The weighted losses of images, [N, 3, H, W] in [-1, 1], that were made of w and noise."""
        with torch.no_grad():
            partner = self.source(w, noise)
        boxes = draw_boxes(self.settings.patches, rng)
        x, y = from_signed(partner), from_signed(images)
        return semantic_losses(self.judges, self.settings, x, y, boxes, self.direction)


def semantic_losses(
    judges: Judges, settings: Constraints, x: Tensor, y: Tensor, boxes: Tensor, direction: Tensor | None
) -> dict[str, Tensor]:
    """The weighted losses that are switched on, by name.

    Args:
        x: images of the source, [N, 3, H, W] in [0, 1]; no gradient reaches them.
        y: images of the fine-tuned generator, in the same range.
        boxes: [K, 4] places for PatchNCE.
        direction: [D]; None leaves the directional loss out.
    """
    losses: dict[str, Tensor] = {}
    x, encoder = x.detach(), judges.encoder
    if direction is not None:
        weight = settings.semantic * settings.directional
        losses["directional"] = weight * directional_loss(encoder, x, y, direction)
    if settings.semantic * settings.embedding:
        losses["embedding"] = settings.semantic * settings.embedding * embedding_distance(encoder, x, y)
    if settings.semantic * settings.perceptual:
        losses["perceptual"] = settings.semantic * settings.perceptual * judges.distance(y, x)
    if settings.patch:
        losses["patch"] = settings.patch * patch_contrast(encoder, x, y, boxes)
    return losses
