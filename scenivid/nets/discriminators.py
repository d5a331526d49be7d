"""The paper's two patch discriminators: D sees an image, D_p a photo and its translation together."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from scenivid.errors import ConfigError
from scenivid.nets.blur import BlurDown
from scenivid.nets.norms import InstanceNorm
from scenivid.nets.translator import initialise


@dataclass(frozen=True)
class PatchParams:
    """Size of a PatchDiscriminator; the defaults are the paper's D."""

    channels: int = 3
    """Input channels: 3 for D, 6 for D_p, which sees cat(photo, styled)."""
    width: int = 64
    """Channels after the first convolution; doubled by each further layer, up to eight times."""
    layers: int = 3
    """Steps down by two."""

    def __post_init__(self) -> None:
        if min(self.channels, self.width, self.layers) < 1:
            raise ConfigError("patch discriminator: channels, width and layers must be at least 1")


class PatchDiscriminator(nn.Module):
    """A score for each patch of about 70 × 70 px: [N, channels, H, W] to [N, 1, ~H/8, ~W/8].

    Scores are raw, for least-squares losses. InstanceNorm, LeakyReLU 0.2, anti-aliased steps down (Conv4 at
    stride 1, then a blurred step) instead of strided convolutions.
    """

    def __init__(self, params: PatchParams | None = None) -> None:
        super().__init__()
        self.params = params = params or PatchParams()
        width = params.width
        layers: list[nn.Module] = [
            nn.Conv2d(params.channels, width, 4, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            BlurDown(width),
        ]
        for step in range(1, params.layers + 1):
            wider = params.width * min(2**step, 8)
            layers += [nn.Conv2d(width, wider, 4, padding=1), InstanceNorm(), nn.LeakyReLU(0.2, inplace=True)]
            if step < params.layers:
                layers.append(BlurDown(wider))
            width = wider
        self.model = nn.Sequential(*layers, nn.Conv2d(width, 1, 4, padding=1))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.model(x)
        return scores
