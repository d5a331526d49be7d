"""The semi-supervised objective of Scenimefy: networks, batch, and both sides' losses from shared passes.

G runs once on everything that must be translated (photos, paintings, paired photos, moved photos) and that
pass gives the key features too; one more half pass encodes all translations for the queries, and one without
gradients encodes the paired targets. `bench.py` measures what that saves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.errors import ConfigError
from scenivid.nets.lite import Lite
from scenivid.nets.translator import Translator
from scenivid.perception.perceptual import Distance
from scenivid.pixels import from_signed, to_signed
from scenivid.training.feature_critic import FeatureCritic
from scenivid.training.losses.adversarial import discriminator_loss, judge, lsgan, outside
from scenivid.training.losses.contrastive import (
    ContrastSettings,
    draw_places,
    hdce,
    over_layers,
    patch_nce,
    src,
)
from scenivid.training.losses.temporal import SyntheticMotion, steadiness, synthesise


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


def discriminator_losses(nets: Networks, batch: Batch, made: Translations) -> dict[str, Tensor]:
    """½ (fake + real) of D and the critic on unpaired images, of D_p on cat(photo, painting)."""
    losses = {}
    if nets.d is not None:
        losses["d"] = _critic_loss(nets.d, made.photo.detach(), batch.painting)
    if nets.d_pair is not None and batch.pair is not None and made.pair is not None:
        source, target = batch.pair
        fake, real = torch.cat([source, made.pair.detach()], 1), torch.cat([source, target], 1)
        losses["d_pair"] = _critic_loss(nets.d_pair, fake, real)
    if nets.critic is not None:
        losses["critic"] = nets.critic(made.photo.detach(), batch.painting)
    return losses


def generator_losses(
    nets: Networks,
    batch: Batch,
    made: Translations,
    weights: Weights,
    contrast: ContrastSettings,
    moment: Moment,
    perceptual: Distance | None = None,
    critics: Callable[[nn.Module], nn.Module] = lambda module: module,
) -> dict[str, Tensor]:
    """Every term of G's objective, unweighted, and their weighted sum as "g".

    Args:
        critics: takes a discriminator out of its wrapper; its weights get no gradient here.
    """
    losses: dict[str, Tensor] = {}
    if nets.d is not None:
        losses["gan"] = lsgan(judge(critics(nets.d), to_signed(made.photo)), real=True)
    if nets.d_pair is not None and batch.pair is not None and made.pair is not None:
        both = to_signed(torch.cat([batch.pair[0], made.pair], 1))
        losses["pair_gan"] = lsgan(judge(critics(nets.d_pair), both), real=True)
    if nets.critic is not None:
        critic = critics(nets.critic)
        assert isinstance(critic, FeatureCritic)
        losses["features"] = critic.blame(made.photo)
    losses |= _contrast_losses(nets, batch, made, weights, contrast, moment)
    if batch.pair is not None and made.pair is not None and weights.pair_l1:
        losses["pair_l1"] = F.l1_loss(made.pair.float(), batch.pair[1])
    if made.painting is not None and weights.identity:
        losses["identity"] = F.l1_loss(made.painting.float(), batch.painting)
    if perceptual is not None and weights.perceptual:
        losses["perceptual"] = perceptual(made.photo.float(), batch.photo)
    if batch.motion is not None and made.moved is not None:
        losses["temporal"] = steadiness(made.moved, made.photo, batch.motion)
    if weights.range:
        losses["range"] = outside(made.photo)
    factors = term_weights(weights, moment)
    losses["g"] = torch.stack([factors[name] * value for name, value in losses.items()]).sum()
    return losses


def term_weights(weights: Weights, moment: Moment) -> dict[str, float]:
    """What each named term of `generator_losses` counts in G's loss at this moment."""
    half = 0.5 if weights.hdce_identity else 1.0
    style = weights.style_nce**2 if moment.double_style_nce else weights.style_nce
    return {
        "gan": weights.gan,
        "features": weights.features,
        "hdce": half * weights.hdce,
        "hdce_identity": half * weights.hdce,
        "src": weights.src,
        "pair_gan": moment.pair_weight * weights.pair_gan,
        "style_nce": moment.pair_weight * style,
        "pair_l1": moment.pair_weight * weights.pair_l1,
        "identity": weights.identity,
        "perceptual": weights.perceptual,
        "temporal": weights.temporal,
        "range": weights.range,
    }


def _contrast_losses(
    nets: Networks,
    batch: Batch,
    made: Translations,
    weights: Weights,
    contrast: ContrastSettings,
    moment: Moment,
) -> dict[str, Tensor]:
    """HDCE, SRC and StylePatchNCE, with one encoder pass over all translations.

    Their sums of differences of near equal numbers need float32, whatever the networks run in.
    """
    styled = made.pair if nets.heads_pair is not None else None
    photo = made.photo if nets.heads is not None else None
    same = made.painting if nets.heads is not None and weights.hdce_painting else None
    given = [image for image in (photo, same, styled) if image is not None]
    if not given:
        return {}
    _, features = nets.g(torch.cat(given), translate=False)
    queries = iter(zip(*(layer.split([len(image) for image in given]) for layer in features), strict=True))
    losses: dict[str, Tensor] = {}

    def hard(a: Tensor, b: Tensor) -> Tensor:
        return hdce(a, b, moment.gamma, contrast.temperature)

    def style(a: Tensor, b: Tensor) -> Tensor:
        return patch_nce(a, b, contrast.temperature)

    if photo is not None and nets.heads is not None:
        q, k = _project(nets.heads, next(queries), made.photo_features, contrast.places, batch, branch=0)
        if weights.hdce:
            losses["hdce"] = _over_layers(hard, q, k)
        if weights.src:
            losses["src"] = _over_layers(src, q, k)
    if same is not None and nets.heads is not None and made.painting_features is not None:
        q, k = _project(nets.heads, next(queries), made.painting_features, contrast.places, batch, branch=1)
        losses["hdce_identity"] = _over_layers(hard, q, k)
    if styled is not None and nets.heads_pair is not None and batch.pair is not None:
        with torch.no_grad():
            _, targets = nets.g(batch.pair[1], translate=False)
        q, k = _project(nets.heads_pair, next(queries), targets, contrast.places, batch, branch=2)
        losses["style_nce"] = _over_layers(style, q, k)
    return losses


def _over_layers(
    loss: Callable[[Tensor, Tensor], Tensor], queries: list[Tensor], keys: list[Tensor]
) -> Tensor:
    with torch.autocast(queries[0].device.type, enabled=False):
        return over_layers([loss(q, k) for q, k in zip(queries, keys, strict=True)])


def _project(
    heads: nn.Module, queries: tuple[Tensor, ...], keys: list[Tensor], places: int, batch: Batch, branch: int
) -> tuple[list[Tensor], list[Tensor]]:
    drawn = draw_places(queries, places, (*batch.key, branch), batch.first)
    with torch.no_grad():
        projected_keys = heads(keys, drawn)
    return heads(queries, drawn), projected_keys


def _critic_loss(critic: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
    scores = critic(to_signed(torch.cat([fake, real])))
    return discriminator_loss(*scores.split([len(fake), len(real)]))
