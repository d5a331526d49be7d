"""What must survive stylisation: embeddings of whole images and of places in them, and losses on them.

    encoder = open_encoder("efficientnet", device)          # or "clip", "vgg19"
    loss = (
        embedding_distance(encoder, photo, anime)
        + 0.1 * encoder.distance(anime, photo)               # LPIPS-like
        + 0.5 * patch_contrast(encoder, photo, anime, draw_boxes(8, generator(seed, step)))
    )

All images are [N, 3, H, W] float RGB in [0, 1]; gradients reach the images, never the encoder.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.perception.semantic import SemanticEncoder


def embedding_distance(encoder: SemanticEncoder, x: Tensor, y: Tensor) -> Tensor:
    """Mean of 1 − cos between the global embeddings of x and y; 0..2."""
    return (1 - (encoder.global_embedding(x) * encoder.global_embedding(y)).sum(1)).mean()


def directional_loss(encoder: SemanticEncoder, x: Tensor, y: Tensor, direction: Tensor) -> Tensor:
    """Mean of 1 − cos(E(y) − E(x), direction) (StyleGAN-NADA, Gal et al. 2021, eq. 2); 0..2.

    Args:
        direction: [D], the change of domain: `image_direction`, or CLIP's `text_direction`.
    """
    change = encoder.global_embedding(y) - encoder.global_embedding(x)
    return (1 - F.cosine_similarity(change, direction[None], eps=1e-6)).mean()


@torch.no_grad()
def image_direction(encoder: SemanticEncoder, x: Iterable[Tensor], y: Iterable[Tensor]) -> Tensor:
    """From the mean embedding of the batches `x` to that of the batches `y`; [D], L2-normalised."""
    first, second = (torch.cat([encoder.global_embedding(b) for b in side]).mean(0) for side in (x, y))
    return F.normalize(second - first, dim=0)


def patch_contrast(
    encoder: SemanticEncoder, x: Tensor, y: Tensor, boxes: Tensor, temperature: float = 0.07
) -> Tensor:
    """PatchNCE on embeddings of boxes: y's box is close to x's box at the same place, not to the others.

    The keys (x) get no gradient. Scenimefy, patch-wise CLIP term: ℓ = −log softmax_k(⟨y_i, x_k⟩/τ)_{k=i}.
    """
    with torch.no_grad():
        keys = encoder.patch_embeddings(x, boxes)
    queries = encoder.patch_embeddings(y, boxes)
    logits = queries @ keys.transpose(1, 2) / temperature
    places = torch.arange(boxes.shape[0], device=x.device).repeat(x.shape[0])
    return F.cross_entropy(logits.flatten(0, 1), places)


def draw_boxes(count: int, generator: torch.Generator, smallest: float = 0.2, largest: float = 0.5) -> Tensor:
    """[count, 4] square boxes with sides drawn from [smallest, largest] of the image, anywhere in it."""
    draws = torch.rand(count, 3, generator=generator, device=generator.device)
    side = smallest + (largest - smallest) * draws[:, 0]
    left, top = draws[:, 1] * (1 - side), draws[:, 2] * (1 - side)
    return torch.stack([left, top, left + side, top + side], dim=1)
