"""VGG19 (Simonyan & Zisserman 2014), the paper's perceptual network, in torchvision's implementation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from scenivid.errors import CheckpointError
from scenivid.weights.catalogue import VGG19
from scenivid.weights.published import load_published
from scenivid.weights.torch_file import read_state

TAPS = {"conv1_2": 2, "conv2_2": 7, "conv3_4": 16, "conv4_4": 25}
"""Position in torchvision's `features`; the maps are taken before the ReLU."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg19(nn.Module):
    """VGG19 up to conv4_4; torchvision's names, `features.<i>`."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        import torchvision  # slow to import, and most runs don't need it

        super().__init__()
        self.features = torchvision.models.vgg19(weights=None).features[: TAPS["conv4_4"] + 1]
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # the taps before it are kept
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """The maps of `TAPS`, shallow to deep. x: [N, 3, H, W] float in [0, 1]."""
        y, maps = (x - self.mean) / self.std, []
        for index, layer in enumerate(self.features):
            y = layer(y)
            if index in TAPS.values():
                maps.append(y)
        return maps


def load_vgg19(device: torch.device | str = "cpu", weights: Path | None = None) -> Vgg19:
    """VGG19 with ImageNet weights: frozen, gradients flow to the input only.

    Args:
        weights: torchvision's file elsewhere; None downloads it once into torch's hub folder.

    Raises:
        CheckpointError: can't be downloaded (the message says where to put the file), or isn't VGG19.
    """
    path, stored = load_published(VGG19, read_state, weights=weights)
    network = Vgg19()
    wanted = network.state_dict().keys()
    try:
        network.load_state_dict({name: value for name, value in stored.items() if name in wanted})
    except RuntimeError as exc:
        raise CheckpointError(f"{path} doesn't hold VGG19's weights") from exc
    return network.requires_grad_(False).eval().to(device)
