"""Causal temporal coherence: each stylised frame keeps what its predecessors agreed on.

Along the motion of the source, two layers of the output are carried on and brought up to date:

    mean      m ← m + r (y − m)            colours and structure: a recursive mean of the stylised frames y
    texture   τ ← g (√(1−r) τ' + √r (y − m))   fine detail that the mean averages away; weights and a gain
                                           that keep its variance, so that texture neither pops nor fades;
                                           the luma of m + τ stays in the range of y's 3×3 pixels (TAA)
    output    o = m + τ, its detail given the local contrast of y, averaged over time: nothing blurs

The rate r is small where the source looks like the source the history was made from, and 1 where it
doesn't (disocclusion, wrong flow, change of light). That source is carried along with the same rates, so a
slow change adds up until it is seen: no drift, no ghosts. Blending and clipping after Karis 2014 (temporal
anti-aliasing); consistency of a black-box stylisation through the source as in Lai et al. 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenivid.flow.consistency import Motion, estimate_motion, likeness
from scenivid.flow.filters import (
    average,
    detail,
    enlarge,
    gradient_square,
    luma,
    mean3,
    range3,
    slope,
    steepness,
)
from scenivid.flow.warp import resize_flow, warp

DEFAULT_CONSISTENCY = 0.7
"""Brings a strongly flickering network near its source's own steadiness and keeps its sharpness."""
_FINE = 8
"""Pixels: details smaller than about two of these are texture, the rest is colour."""
_LOOSE_PX = 0.4
"""Misplacement of the history, in half-size pixels, that the source check forgives."""
_LIGHT = 0.012
"""Difference of mean colour, in [0, 1], at which trust has fallen to 1/e."""
_CALM = 0.975
"""Share of the stylised frames' contrast aimed at where they don't flicker; more would flicker more."""
_MOST_GAIN = 1.25
"""How much detail may be strengthened or weakened to have the contrast of the stylised frames."""
_FLICKERS = 1 / 6
"""Fine luma that varies over time by this share of its local range begins to count as flickering texture;
at twice this share it does wholly. Edges out of place by a fraction of a pixel stay below."""
_SLACK = 2.0
"""How far beyond the range flickering texture may lie, in its standard deviations."""
_LEAST_PACE = 0.05
"""Below it a still scene would take hundreds of frames to follow a change of style."""
_OLDEST = 1000.0
"""Frames; beyond this, age makes no difference."""


@dataclass(frozen=True, eq=False)
class Memory:
    """What `steady` carries from frame to frame, all float32."""

    source: Tensor
    """Previous source frame, [1, 3, H, W] in [0, 1]."""
    output: Tensor
    """Previous steadied frame, [1, 3, H, W] in [0, 1]."""
    mean: Tensor
    """The recursive mean of the stylised frames, [1, 3, H, W]."""
    texture: Tensor
    """The fine detail that goes with `mean`, [1, 3, H, W]."""
    gains: Tensor
    """Factors that two bands of detail had for their contrast, at 1/8 of the size, [1, 2, h, w]."""
    reference: Tensor
    """The source that `mean` was made from, averaged with the same rates, half size, [1, 3, h, w]."""
    age: Tensor
    """Number of frames for which each place has been seen, ≥ 1, half size, [1, 1, h, w]."""


def steady(
    source: Tensor, styled: Tensor, memory: Memory | None, motion: Motion | None, consistency: float
) -> tuple[Tensor, Memory]:
    """Blend a stylised frame with its past, moved along the motion of the source.

    A source frame identical to the one before gives an output identical to the one before.

    Args:
        source: the frame before stylisation, [1, 3, H, W], float in [0, 1].
        styled: the same frame stylised, same shape.
        memory: what the call for the previous frame returned; None at the first frame of a shot.
        motion: from `source` to the previous source; None takes nothing to move.
        consistency: 0 returns `styled` itself, 1 follows the past as long as the source allows.

    Returns:
        The steadied frame, dtype of `styled`, in [0, 1], and the memory for the next frame.
    """
    now, frame = source.float(), styled.float()
    small = average(now, 2)
    if memory is None or consistency <= 0:
        texture, age = torch.zeros_like(frame), torch.ones_like(small[:, :1])
        gains = torch.ones_like(average(small[:, :2], _FINE // 2))
        return styled, Memory(now, frame, frame, texture, gains, small, age)
    if motion is None:
        motion = estimate_motion(None, now, memory.source)
    flow = resize_flow(motion.flow, (small.shape[-2], small.shape[-1]))
    past_small = warp(torch.cat((memory.reference, memory.age), 1), flow, "cubic")
    reference, age = past_small[:, :3], past_small[:, 3:]
    trust = (
        average(motion.confidence, 2) * likeness(small, reference, _LOOSE_PX) * _same_light(small, reference)
    )
    trust = torch.minimum(trust, mean3(trust))
    age = (age.clamp(min=1) * trust + 1).clamp(max=_OLDEST)
    rate = _rate(flow, consistency)
    keep, hold = trust * (1 - torch.maximum(1 / age, rate)), trust * (1 - rate)
    reference = torch.lerp(small, reference, keep)

    past = warp(torch.cat((memory.mean, memory.texture), 1), motion.flow, "cubic")
    weights = enlarge(torch.cat((keep, hold), 1), (now.shape[-2], now.shape[-1]))
    fine = detail(luma(frame), _FINE)
    mean, texture, flickers = _merge(frame, fine, *past.chunk(2, dim=1), *weights.chunk(2, dim=1))
    size = (memory.gains.shape[-2], memory.gains.shape[-1])
    before = warp(memory.gains, resize_flow(motion.flow, size))
    output, gains = _crisp(mean + texture, fine, before, average(keep, _FINE // 2), flickers)

    same = (now == memory.source).all()
    output = torch.where(same, memory.output, output)
    mean = torch.where(same, memory.mean, mean)
    texture = torch.where(same, memory.texture, texture)
    return output.to(styled.dtype), Memory(now, output, mean, texture, gains, reference, age)


def _same_light(source: Tensor, reference: Tensor) -> Tensor:
    """1 where the mean colours of small areas agree, falling to 0: sees slow changes of light beneath noise.

    Args:
        source, reference: [1, 3, h, w], half size.

    Returns:
        [1, 1, h, w].
    """
    colours, wanted = average(reference, _FINE // 2), average(source, _FINE // 2)
    error = (wanted - colours).abs().mean(dim=1, keepdim=True)
    excess = (error - slope(wanted) * _LOOSE_PX / (_FINE // 2)).clamp(min=0)
    return enlarge(torch.exp(-(excess / _LIGHT).square()), (source.shape[-2], source.shape[-1]))


def _rate(flow: Tensor, consistency: float) -> Tensor:
    """Share of the current frame in the output, where the history is trusted.

    With p = (1 − consistency)^1.4: p² where nothing moves, up to p where things move a pixel a frame or
    more, since there resampling and the flow's errors wear the history out.

    Args:
        flow: [1, 2, h, w], in half-size pixels.

    Returns:
        [1, 1, h, w] in 0..1; 1 if consistency is 0.
    """
    pace = max((1 - min(consistency, 1.0)) ** 1.4, _LEAST_PACE)
    speed_px = 2 * flow.square().sum(dim=1, keepdim=True).sqrt()
    rate: Tensor = pace ** (2 - speed_px.clamp(max=1))
    return rate


def _merge(
    frame: Tensor, fine: Tensor, past: Tensor, texture: Tensor, keep: Tensor, hold: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Bring the moved past up to date with the current frame.

    Args:
        frame: the stylised frame, [1, 3, H, W].
        fine: its luma detail, [1, 1, H, W].
        past, texture: the mean and the texture, moved, [1, 3, H, W].
        keep: share of the past in the mean, 0..1, [1, 1, H, W].
        hold: share of the past in the texture's variance, 0..1, [1, 1, H, W].

    Returns:
        The new mean, its texture, their sum in [0, 1]; and where texture flickers, 0..1, at 1/_FINE of the
        size, [1, 1, h, w].
    """
    size = (frame.shape[-2], frame.shape[-1])
    fresh = frame + (1 - keep) * enlarge(_tint(past - frame, keep), size)
    mean = torch.lerp(fresh, past, keep)

    change = detail(fresh - past, _FINE)
    novelty = keep * change  # detail of the frame that the new mean lacks
    texture = texture - (1 - keep) * change  # what the past has beyond the new mean
    texture = hold.sqrt() * texture + (1 - hold).sqrt() * novelty

    grey, grey_novelty = luma(texture), luma(novelty)
    plain = detail(luma(mean), _FINE)
    least, most = range3(fine)
    varies = enlarge(mean3(average(grey_novelty.square(), 2)).sqrt(), size)
    flickers = (varies / (most - least + 1e-4) / _FLICKERS - 1).clamp(0, 1)
    slack = _SLACK * varies * flickers
    light = (plain + grey).clamp(least - slack, most + slack) - plain
    # What doesn't flicker is structure, which the mean has already; the bound of `_gain` is reached soon.
    most_gain = 1 + _MOST_GAIN * flickers
    light_gain = torch.minimum(enlarge(_gain(grey_novelty, light, keep), size), most_gain)
    tint, tint_novelty = texture - grey, novelty - grey_novelty
    tint_gain = torch.minimum(enlarge(_gain(tint_novelty, tint, keep), size), most_gain)
    texture = light_gain * light + tint_gain * tint
    whole = (mean + texture - texture.mean(dim=(2, 3), keepdim=True)).clamp(0, 1)  # texture holds no colour
    return mean, whole - mean, average(flickers, _FINE)


def _crisp(
    image: Tensor, wanted: Tensor, before: Tensor, keep: Tensor, flickers: Tensor
) -> tuple[Tensor, Tensor]:
    """Give `image` the local contrast of the stylised frames, which averaging and resampling wear down.

    In two bands, since they cost the finest detail the most. Not part of the history: it would add up there.

    Args:
        image: what the history says, [1, 3, H, W].
        wanted: luma detail of the stylised frame, [1, 1, H, W].
        before: the gains of the two bands in the past, moved, at 1/_FINE of the size, [1, 2, h, w].
        keep: share of the past in the new gains, [1, 1, h, w].
        flickers: where texture flickers, 0..1, [1, 1, h, w].

    Returns:
        The crisp image in [0, 1], and the gains.
    """
    there = detail(luma(image), _FINE)
    soft, soft_wanted = mean3(there), mean3(wanted)
    fine, fine_wanted = there - soft, wanted - soft_wanted
    found = torch.cat((soft.abs(), steepness(fine)), 1)
    aim = torch.cat((soft_wanted.abs(), steepness(fine_wanted)), 1)
    ratio = (
        (_CALM + (1 - _CALM) * mean3(flickers))
        * (mean3(average(aim, _FINE)) + 1e-4)
        / (mean3(average(found, _FINE)) + 1e-4)
    )
    gains = torch.lerp(ratio.clamp(1 / _MOST_GAIN, _MOST_GAIN), before, keep)
    low, high = enlarge(gains, (image.shape[-2], image.shape[-1])).chunk(2, dim=1)
    return (image - there + soft * low + fine * high).clamp(0, 1), gains


def _gain(novelty: Tensor, texture: Tensor, keep: Tensor) -> Tensor:
    """Factor that brings the texture to the contrast it has in the current frame, at 1/_FINE of the size.

    The mean holds a share (1 − keep)/(1 + keep) of the variance of a texture drawn afresh at each frame; this
    one must bring the rest, 2 keep/(1 + keep), and the novelty has keep times that.
    """
    shared = (1 - keep) / ((1 + keep) * keep.clamp(min=0.05))
    wanted = gradient_square(novelty) * (1 + shared)
    ratio = mean3(average(wanted, _FINE)) / (mean3(average(gradient_square(texture), _FINE)) + 1e-7)
    return ratio.sqrt().clamp(max=_MOST_GAIN)


def _tint(difference: Tensor, keep: Tensor) -> Tensor:
    """The smooth colour flicker of the trusted surroundings, to take out of places without history.

    Normalised averages over growing windows, the smaller ones first.

    Args:
        difference: past − frame, [1, 3, H, W].
        keep: trust in it, 0..1, [1, 1, H, W].

    Returns:
        Offset to add to the frame, at 1/_FINE of the size.
    """
    total, weight = average(difference * keep, _FINE), average(keep, _FINE)
    size = (total.shape[-2], total.shape[-1])
    offset, known = torch.zeros_like(total), torch.zeros_like(weight)
    for _ in range(3):
        total, weight = mean3(total), mean3(weight)
        offset = offset + (1 - known) * enlarge(total, size)
        known = known + (1 - known) * enlarge(weight, size)
        total, weight = average(total, 3), average(weight, 3)
    # Where all around is in doubt as well, the light has changed and the frame is right.
    return offset / known.clamp(min=0.05) * (2 * known - 1).clamp(0, 1)
