"""CLIP (Radford et al. 2021) in open_clip's implementation, as a semantic encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import CheckpointError
from scenivid.perception.boxes import crop_boxes
from scenivid.weights.catalogue import CLIP
from scenivid.weights.published import load_published
from scenivid.weights.torch_file import open_script, read_state

MODEL = "ViT-B-32-quickgelu"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_TEMPLATES = ("a {}.", "a picture of a {}.", "a scene in the style of a {}.", "the {} of a landscape.")
_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")


class ClipEncoder:
    """Global and patch embeddings of CLIP's image tower, and directions from its text tower.

    Args:
        network: open_clip's CLIP, frozen.
    """

    name = "clip"

    def __init__(self, network: Any, model: str = MODEL) -> None:
        self.network, self.model = network, model
        size = network.visual.image_size
        self.size: int = size[0] if isinstance(size, tuple) else size

    def global_embedding(self, x: Tensor) -> Tensor:
        image = F.interpolate(x, size=(self.size,) * 2, mode="bicubic", align_corners=False, antialias=True)
        return self.embed(image)

    def patch_embeddings(self, x: Tensor, boxes: Tensor) -> Tensor:
        return self.embed(crop_boxes(x, boxes, self.size)).view(x.shape[0], boxes.shape[0], -1)

    def distance(self, x: Tensor, reference: Tensor) -> Tensor:
        """1 − cos of the embeddings of a 2×2 grid of crops: CLIP has no maps worth an LPIPS."""
        half = [(i / 2, j / 2, i / 2 + 0.5, j / 2 + 0.5) for j in range(2) for i in range(2)]
        boxes = torch.tensor(half, device=x.device)
        first, second = self.patch_embeddings(x, boxes), self.patch_embeddings(reference, boxes)
        return (1 - (first * second).sum(2)).mean()

    @torch.no_grad()
    def text_direction(self, source: str, target: str) -> Tensor:
        """From one description to another, such as "photo" to "anime painting"; [D], L2-normalised."""
        tokenizer = open_clip.get_tokenizer(self.model)
        device = next(self.network.parameters()).device
        means = []
        for words in (source, target):
            tokens = tokenizer([template.format(words) for template in _TEMPLATES]).to(device)
            means.append(F.normalize(self.network.encode_text(tokens).float()).mean(0))
        return F.normalize(means[1] - means[0], dim=0)

    def embed(self, image: Tensor) -> Tensor:
        """Images that already have the network's size, [N, 3, size, size]: [N, D], L2-normalised."""
        planes = [(image[:, i] - mean) / std for i, (mean, std) in enumerate(zip(MEAN, STD, strict=True))]
        return F.normalize(self.network.encode_image(torch.stack(planes, 1)).float())


def load_clip(
    device: torch.device | str = "cpu", weights: Path | None = None, download: bool = True
) -> ClipEncoder:
    """CLIP ViT-B/32 with OpenAI's weights, frozen.

    Args:
        weights: OpenAI's file, or a state dict with its names; None takes torch's cache.
        download: fetch the file if it isn't there.

    Raises:
        CheckpointError: the weights can't be had, or are another network's.
    """
    path, state = load_published(CLIP, _read, download, weights)
    network = open_clip.create_model(MODEL, pretrained=None)
    try:
        network.load_state_dict({key: value for key, value in state.items() if key not in _NOT_WEIGHTS})
    except RuntimeError as exc:
        raise CheckpointError(f"{path} doesn't hold CLIP ViT-B/32's weights") from exc
    return ClipEncoder(network.requires_grad_(False).eval().to(device))


def unlearnt_clip() -> ClipEncoder:
    """One on the CPU whose weights are of no use: for sizes and memory."""
    network = open_clip.CLIP(**open_clip.get_model_config(MODEL))
    return ClipEncoder(network.requires_grad_(False).eval())


def _read(path: Path) -> dict[str, Tensor]:
    """OpenAI publishes TorchScript; others keep the same weights as a state dict."""
    try:
        return read_state(path)
    except CheckpointError:
        if not path.is_file():
            raise
        return dict(open_script(path).state_dict())
