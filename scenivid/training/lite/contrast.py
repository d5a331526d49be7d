"""Patch-wise contrast through a lite network's own encoder: HDCE keeps content, StylePatchNCE gives style.

The paper's losses (Scenimefy, ICCV 2023, after Jung et al. 2022 and Park et al. 2020), for a network that
learns from painted pairs: HDCE between a photograph and its result, StylePatchNCE between the result and the
painting of that photograph, the pseudo pair. Each has projection heads of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from scenivid.nets.lite import Lite
from scenivid.training.losses.contrastive import (
    ContrastSettings,
    ProjectionHeads,
    draw_places,
    hdce,
    over_layers,
    patch_nce,
)
from scenivid.training.run.program import Stateful
from scenivid.training.run.speed import adam

_RATE, _BETAS = 2e-4, (0.5, 0.999)
"""Of the heads, the paper's; their start is random whatever the network starts from."""
_EDGE = 16
"""Pixels at a crop's edge whose features don't count: one place of the coarsest layer."""


class PaintingContrast:
    """The heads and their optimiser, and the losses they give.

    Args:
        net: whose encoder gives the features; only its channel counts matter.
        wanted: "hdce", "style_nce" or both.
    """

    def __init__(
        self, net: Lite, wanted: Collection[str], settings: ContrastSettings, device: torch.device
    ) -> None:
        self.settings = settings
        self.heads = nn.ModuleDict(
            {name: ProjectionHeads(net.feature_channels, settings.width) for name in wanted}
        ).to(device)
        self.optimizer = adam(self.heads.parameters(), _RATE, _BETAS, device)

    def state(self) -> Mapping[str, Stateful]:
        """For a checkpoint."""
        return {"heads": self.heads, "heads_optimizer": self.optimizer}

    def losses(
        self, seen: Sequence[Tensor], made: Sequence[Tensor], wanted: Sequence[Tensor],
        key: tuple[int, ...], first: int, gamma: float,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Of those that are wanted, mean over the layers and the images.

        Call it outside of autocast: differences of near equal numbers need float32.

        Args:
            seen, made, wanted: features ([N, C, H, W] a layer) of the photographs, of their inked results,
                and of their inked paintings. A gradient reaches `made` alone.
            key: of the random stream that places are drawn from, such as (seed, step).
            first: number of the first image in the joint batch of all processes.
            gamma: softness of the hard negatives' weights, see `hdce`.
        """
        settings = self.settings
        losses: dict[str, tuple[Sequence[Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
            "hdce": (seen, partial(hdce, gamma=gamma, temperature=settings.temperature)),
            "style_nce": (wanted, partial(patch_nce, temperature=settings.temperature)),
        }
        found = {}
        for branch, (name, heads) in enumerate(self.heads.items()):
            other, loss = losses[name]
            queries, keys = _inside(made), _inside(other)
            places = draw_places(queries, settings.places, (*key, branch), first)
            with torch.no_grad():
                k = heads(keys, places)
            q = heads(queries, places)
            found[name] = over_layers([loss(a, b) for a, b in zip(q, k, strict=True)])
        return found


def _inside(features: Sequence[Tensor]) -> list[Tensor]:
    """Layers of the same image without what lies within `_EDGE` pixels of a crop's edge.

    The result isn't asked for anything there, and the encoder sees zeros beyond it.
    """
    inside = []
    for layer in features:
        margin = _EDGE * layer.shape[-1] // features[0].shape[-1]
        inside.append(layer[..., margin : layer.shape[-2] - margin, margin : layer.shape[-1] - margin])
    return inside
