"""CLIP (Radford et al. 2021) by open_clip, as a semantic encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import CheckpointError
from scenivid.perception.boxes import crop_boxes

MODEL, PRETRAINED = "ViT-B-32", "openai"
_TEMPLATES = ("a {}.", "a picture of a {}.", "a scene in the style of a {}.", "the {} of a landscape.")


class ClipEncoder:
    """Global and patch embeddings of CLIP's image tower, and directions from its text tower.

    Args:
        network: open_clip's CLIP, frozen.
    """

    name = "clip"
    mean = (0.48145466, 0.4578275, 0.40821073)
    std = (0.26862954, 0.26130258, 0.27577711)

    def __init__(self, network: Any, model: str = MODEL) -> None:
        self.network, self.model = network, model
        size = network.visual.image_size
        self.size: int = size[0] if isinstance(size, tuple) else size

    def global_embedding(self, x: Tensor) -> Tensor:
        image = F.interpolate(x, size=(self.size,) * 2, mode="bicubic", align_corners=False, antialias=True)
        return self._embed(image)

    def patch_embeddings(self, x: Tensor, boxes: Tensor) -> Tensor:
        return self._embed(crop_boxes(x, boxes, self.size)).view(x.shape[0], boxes.shape[0], -1)

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

    def _embed(self, image: Tensor) -> Tensor:
        mean, std = (image.new_tensor(values).view(1, 3, 1, 1) for values in (self.mean, self.std))
        return F.normalize(self.network.encode_image((image - mean) / std).float())


def load_clip(device: torch.device | str = "cpu", weights: Path | None = None) -> ClipEncoder:
    """CLIP ViT-B/32 with OpenAI's weights, downloaded once by open_clip, or from a file.

    Raises:
        CheckpointError: the weights can't be had.
    """
    pretrained = PRETRAINED if weights is None else str(weights)
    if weights is not None and not weights.is_file():
        raise CheckpointError(f"no CLIP weights at {weights}")
    try:
        network = open_clip.create_model(MODEL, pretrained=pretrained, force_quick_gelu=True, device=device)
    except Exception as exc:  # huggingface_hub and urllib raise many types; the remedy is one
        raise CheckpointError(
            f"CLIP {MODEL} ({pretrained}) can't be loaded: {exc}; "
            "download open_clip's file elsewhere and give its path as weights"
        ) from exc
    return ClipEncoder(network.requires_grad_(False).eval())
