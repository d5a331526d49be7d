"""Both sides' losses of the semi-supervised objective, from the translations of one batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.perception.perceptual import Distance
from scenivid.pixels import to_signed
from scenivid.training.losses.adversarial import discriminator_loss, judge, lsgan, outside
from scenivid.training.losses.contrastive import (
    ContrastSettings,
    draw_places,
    hdce,
    over_layers,
    patch_nce,
    src,
)
from scenivid.training.losses.feature_critic import FeatureCritic
from scenivid.training.losses.temporal import steadiness
from scenivid.training.translator.translation import Batch, Moment, Networks, Translations, Weights


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
