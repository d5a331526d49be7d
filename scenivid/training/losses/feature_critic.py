"""A second discriminator, of images seen through the frozen EfficientNet-Lite0: for few images and steps.

Sauer et al. 2021, "Projected GANs Converge Faster". Not in Scenimefy; an option of ours. FD-EffNet and the
kernel distance are taken on the same network, so they fall more than pictures improve: look at samples too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.training.losses.painting_critic import PaintingCritic

WIDTH = 64
"""Channels of each head."""
EXAMPLES = 32
"""Real images from which the scale of each channel is taken."""


class FeatureCritic(nn.Module):
    """Heads on the maps of a frozen network, which isn't part of the module's state.

    Args:
        eye: the frozen network.
        examples: real images, [N, 3, H, W] in [0, 1].
        side: images are resized to this before they are looked at, in px; better not the size that they have,
            or a generator hides a grid of its own in the network's strides.
    """

    def __init__(self, eye: EfficientNetLite0, examples: Tensor, side: int) -> None:
        super().__init__()
        self._look = eye.forward_features  # a method, not a module: checkpoints needn't hold the eye
        self.side = side
        with torch.no_grad():
            self.heads = PaintingCritic(self._maps(examples), WIDTH)

    @classmethod
    def unlearnt(cls, size: int, side: int) -> FeatureCritic:
        """One that has seen no images of `size` px and has no weights of use, for `planning.memory`."""
        eye = EfficientNetLite0().requires_grad_(False).eval()
        return cls(eye, torch.empty(EXAMPLES, 3, size, size), side)

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """What the heads learn from; images in [0, 1], no gradient reaches them."""
        with torch.no_grad():
            made, true = self._maps(fake), self._maps(real)
        return self.heads.loss(made, true)

    def blame(self, fake: Tensor) -> Tensor:
        """How far images are from being taken for real, with a graph to them alone."""
        return self.heads.blame(self._maps(fake))

    def _maps(self, images: Tensor) -> list[Tensor]:
        images = images.float()
        if images.shape[-1] != self.side:
            images = F.interpolate(images, size=(self.side, self.side), mode="bilinear", antialias=True)
        return self._look(images)
