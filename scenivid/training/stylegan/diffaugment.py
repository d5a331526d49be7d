"""Differentiable augmentation of what the discriminator sees, and the controller of how often.

Transformations: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020 (colour,
translation, cutout). Each is laid on a sample with probability p. With p = 1 that is DiffAugment; with p
driven by `AdaptiveProbability` it follows Karras et al., "Training GANs with Limited Data", 2020 (ADA).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SHIFT = 1 / 8
_CUT = 1 / 2


def diff_augment(images: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Colour, translation and cutout, each sample on its own; gradients flow through.

    Args:
        images: [N, 3, H, W] in [-1, 1].
        probability: of each of the three, for each sample.
        rng: CPU generator; every draw comes from it.
    """
    for transform in (_colour, _translate, _cut_out):
        chosen = torch.rand(len(images), generator=rng) < probability
        images = transform(images, chosen, rng)
    return images


class AdaptiveProbability(nn.Module):
    """p of ADA: rises while the discriminator tells real from fake too surely, falls otherwise.

    r = mean sign(D(real)) over `interval` batches is held at `target`; p moves by batch·interval/images.
    """

    value: Tensor
    signs: Tensor
    seen: Tensor

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(float(start), dtype=torch.float64))
        self.register_buffer("signs", torch.tensor(0.0, dtype=torch.float64))
        self.register_buffer("seen", torch.tensor(0, dtype=torch.int64))

    @torch.no_grad()
    def update(self, sign: Tensor, count: int, target: float, images: int, interval: int = 4) -> None:
        """Take in what the discriminator said of one batch of real images.

        Args:
            sign: mean of sign(D(real)) over the batch, a scalar.
            count: images in the batch.
            target: r to hold, 0.6 in the paper.
            images: how many images p takes from 0 to 1.
            interval: batches between two moves of p.
        """
        self.signs += count * sign.double().cpu()
        self.seen += count
        if int(self.seen) >= interval * count:
            r = float(self.signs / self.seen)
            move = float(self.seen) / images * (1 if r > target else -1)
            self.value.fill_(min(1.0, max(0.0, float(self.value) + move)))
            self.signs.zero_()
            self.seen.zero_()


def _uniform(like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.rand(len(like), 1, 1, 1, generator=rng).to(like.device, like.dtype)


def _mask(chosen: Tensor, like: Tensor) -> Tensor:
    return chosen.to(like.device, like.dtype)[:, None, None, None]


def _colour(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness ±0.5, saturation 0..2, contrast 0.5..1.5."""
    on = _mask(chosen, images)
    images = images + on * (_uniform(images, rng) - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (1 + on * (2 * _uniform(images, rng) - 1))
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + on * (_uniform(images, rng) - 0.5))


def _translate(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """Shift by up to an eighth of the side; what comes in is 0."""
    height, width = images.shape[-2:]
    reach = (max(1, round(height * _SHIFT)), max(1, round(width * _SHIFT)))
    down = torch.randint(-reach[0], reach[0] + 1, (len(images),), generator=rng) * chosen
    right = torch.randint(-reach[1], reach[1] + 1, (len(images),), generator=rng) * chosen
    shift: Callable[..., Tensor] = F.pad  # negative padding crops
    return torch.stack(
        [
            shift(image, (x, -x, y, -y))
            for image, x, y in zip(images, right.tolist(), down.tolist(), strict=True)
        ]
    )


def _cut_out(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """Set a square of half the side, centred anywhere, to 0."""
    height, width = images.shape[-2:]
    tall, wide = round(height * _CUT), round(width * _CUT)
    top = torch.randint(0, height + 1, (len(images), 1), generator=rng) - tall // 2
    left = torch.randint(0, width + 1, (len(images), 1), generator=rng) - wide // 2
    rows, columns = torch.arange(height)[None], torch.arange(width)[None]
    hole = ((rows >= top) & (rows < top + tall))[:, :, None] & ((columns >= left) & (columns < left + wide))[
        :, None
    ]
    keep = ~(hole & chosen[:, None, None])
    return images * keep[:, None].to(images.device, images.dtype)
