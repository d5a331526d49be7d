"""The semi-supervised objective of Scenimefy: its weights, networks and batch, and the pass they share.

G runs once on everything that must be translated (photos, paintings, paired photos, moved photos) and that
pass gives the key features too; one more half pass encodes all translations for the queries, and one without
gradients encodes the paired targets. `train/speed/time_shared_passes.py` measures what that saves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from scenivid.errors import ConfigError
from scenivid.nets.lite import Lite
from scenivid.nets.translator import Translator
from scenivid.pixels import from_signed, to_signed
from scenivid.training.losses.temporal import SyntheticMotion, synthesise


@dataclass(frozen=True)
class Weights:
    """λ of every term; 0 leaves it out. The defaults are the paper's (published command)."""

    gan: float = 1.0
    hdce: float = 0.1
    """Weight of HDCE(x, G(x)); with `hdce_identity` HDCE(y, G(y)) as well, each at half."""
    hdce_identity: bool = True
    src: float = 0.05
    pair_gan: float = 1.0
    style_nce: float = 0.05
    """StylePatchNCE; fades with `pair_gan` over training."""
    pair_l1: float = 0.0
    """Mean absolute difference of G(x_p) and y_p; fades too. Ours, for exact pairs."""
    identity: float = 0.0
    """Mean absolute difference of G(y) and y."""
    perceptual: float = 0.0
    """Perceptual distance of G(x) to x; the paper: 0.2 where the anime data is poor."""
    temporal: float = 0.0
    """Steadiness under synthetic motion. Ours."""
    features: float = 0.0
    """A second discriminator of unpaired images, on frozen features (Projected GAN). Ours."""
    range: float = 1.0
    """How far outputs lie outside [0, 1]; the translator's never do. Ours."""

    def __post_init__(self) -> None:
        negative = [name for name, value in vars(self).items() if value < 0]
        if negative:
            raise ConfigError(f"weights: {', '.join(negative)} must be at least 0")

    @property
    def contrast(self) -> bool:
        """Whether the unsupervised projection heads are needed."""
        return self.hdce > 0 or self.src > 0

    @property
    def hdce_painting(self) -> bool:
        """Whether HDCE(y, G(y)) counts."""
        return self.hdce > 0 and self.hdce_identity


class FeatureGenerator(nn.Module):
    """G with its features, images in [0, 1] whatever the network takes inside."""

    def __init__(self, net: Translator | Lite) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, translate: bool = True) -> tuple[Tensor | None, list[Tensor]]:
        """x: [N, 3, H, W] in [0, 1] to (translation in [0, 1] or None, features of `feature_layers`)."""
        signed = isinstance(self.net, Translator)
        x = to_signed(x) if signed else x
        if not translate:
            return None, self.net.encode(x)
        output, features = self.net.forward_with_features(x)
        return from_signed(output) if signed else output, features


@dataclass(frozen=True, eq=False)
class Networks:
    """What is trained; None where a weight of 0 makes it useless."""

    g: nn.Module
    """A FeatureGenerator, perhaps wrapped for several processes; so are the others."""
    d: nn.Module | None
    d_pair: nn.Module | None
    heads: nn.Module | None
    heads_pair: nn.Module | None
    critic: nn.Module | None = None
    """A FeatureCritic."""


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's images, [N, 3, H, W] float in [0, 1], and what was drawn for them."""

    photo: Tensor
    painting: Tensor
    pair: tuple[Tensor, Tensor] | None
    """A photo and its painting, or None without supervision."""
    motion: SyntheticMotion | None
    moved: Tensor | None
    """The photo after `motion`."""
    key: tuple[int, ...]
    """Random streams of this step, such as (seed, step)."""
    first: int
    """Number of the first image in the joint batch of all processes."""


@dataclass(frozen=True, eq=False)
class Translations:
    """G's outputs in [0, 1], and the features of its inputs."""

    photo: Tensor
    painting: Tensor | None
    pair: Tensor | None
    moved: Tensor | None
    photo_features: list[Tensor]
    painting_features: list[Tensor] | None


@dataclass(frozen=True)
class Moment:
    """Where the schedules stand."""

    gamma: float
    """Softness of the hard negatives' weights, see `hdce`."""
    pair_weight: float
    """λ_pair, 0..1."""
    double_style_nce: bool = False
    """Multiply λ of StylePatchNCE in twice, as the official code does."""


def with_motion(batch: Batch, motion: SyntheticMotion | None) -> Batch:
    """The batch with its photos moved."""
    if motion is None:
        return batch
    return replace(batch, motion=motion, moved=synthesise(batch.photo, motion))


def translate(g: nn.Module, batch: Batch, weights: Weights) -> Translations:
    """One pass of G over all that must be translated."""
    same = weights.identity > 0 or weights.hdce_painting
    source = None if batch.pair is None else batch.pair[0]
    inputs = [batch.photo, batch.painting if same else None, source, batch.moved]
    given = [image for image in inputs if image is not None]
    output, features = g(torch.cat(given))
    pieces = iter(output.split([len(image) for image in given]))
    parts = [None if image is None else next(pieces) for image in inputs]
    assert parts[0] is not None
    count = len(batch.photo)
    keys = [layer[:count].detach() for layer in features]
    painting = [layer[count : count + len(batch.painting)].detach() for layer in features] if same else None
    return Translations(parts[0], parts[1], parts[2], parts[3], keys, painting)
