"""Causal temporal coherence: each stylised frame keeps what its predecessors agreed on.

Along the motion of the source, two layers of the output are carried on and brought up to date:

    mean      m ← m + r (y − m)            colours and structure: a recursive mean of the stylised frames y
    texture   τ ← g (√(1−r) τ' + √r (y − m))   fine luma that the mean averages away; weights that keep its
                                           variance, so that texture neither pops nor fades
    output    o = m + τ, its fine luma held within the range of y's 3×3 neighbourhood (as TAA does)

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
from scenivid.flow.filters import average, detail, enlarge, luma, mean3, range3
from scenivid.flow.warp import resize_flow, warp

DEFAULT_CONSISTENCY = 0.8
"""Steadies a strongly flickering network to the level of its source; see `_rates`."""
_FINE = 8
"""Pixels: details smaller than about two of these are texture, the rest is colour."""
_LOOSE_PX = 0.4
"""Misplacement of the history, in half-size pixels, that the source check forgives."""
_MOST_GAIN = 1.15
"""How much one frame may strengthen the texture to regain its contrast."""
_OLDEST = 1000.0
"""Frames; beyond this, age makes no difference."""


@dataclass(frozen=True, eq=False)
class Memory:
    """What `steady` carries from frame to frame, all float32."""

    source: Tensor
    """Previous source frame, [1, 3, H, W] in [0, 1]."""
    output: Tensor
    """Previous steadied frame, [1, 3, H, W] in [0, 1]."""
    texture: Tensor
    """The fine luma in `output` that is not in the mean of the stylised frames, [1, 1, H, W]."""
    reference: Tensor
    """The source that `output` was made from, averaged with the same rates, half size, [1, 3, h, w]."""
    age: Tensor
    """For how many frames each place has been seen, ≥ 1, half size, [1, 1, h, w]."""


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
        texture, age = torch.zeros_like(frame[:, :1]), torch.ones_like(small[:, :1])
        return styled, Memory(now, frame, texture, small, age)
    if motion is None:
        motion = estimate_motion(None, now, memory.source)
    flow = resize_flow(motion.flow, (small.shape[-2], small.shape[-1]))
    past_small = warp(torch.cat((memory.reference, memory.age), 1), flow, "cubic")
    reference, age = past_small[:, :3], past_small[:, 3:]
    trust = average(motion.confidence, 2) * likeness(small, reference, _LOOSE_PX)
    trust = torch.minimum(trust, mean3(trust))
    age = (age.clamp(min=1) * trust + 1).clamp(max=_OLDEST)
    keep = trust * (1 - _rates(age, flow, consistency))
    reference = torch.lerp(small, reference, keep)

    past = warp(torch.cat((memory.output, memory.texture), 1), motion.flow, "cubic")
    output, texture = _merge(frame, past[:, :3], past[:, 3:], enlarge(keep, (now.shape[-2], now.shape[-1])))

    same = (now == memory.source).all()
    output = torch.where(same, memory.output, output)
    texture = torch.where(same, memory.texture, texture)
    return output.to(styled.dtype), Memory(now, output, texture, reference, age)


def _rates(age: Tensor, flow: Tensor, consistency: float) -> Tensor:
    """Share of the current frame in the mean, where the history is trusted.

    With p = (1 − consistency)^1.4: p² where nothing moves, up to p where things move a pixel a frame or
    more and resampling and errors of the flow wear the history out; but a plain mean, 1/age, at first.

    Args:
        age: [1, 1, h, w], frames.
        flow: [1, 2, h, w], in half-size pixels.
    """
    pace = (1 - min(consistency, 1.0)) ** 1.4
    speed_px = 2 * flow.square().sum(dim=1, keepdim=True).sqrt()
    return torch.maximum(1 / age, max(pace, 0.05) ** (2 - speed_px.clamp(max=1)))


def _merge(frame: Tensor, output: Tensor, texture: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Bring the moved past up to date with the current frame.

    Args:
        frame: the stylised frame, [1, 3, H, W].
        output, texture: of the past, moved, [1, 3, H, W] and [1, 1, H, W].
        keep: share of the past in the mean, 0..1, [1, 1, H, W].

    Returns:
        The new output in [0, 1], and its texture.
    """
    size = (frame.shape[-2], frame.shape[-1])
    past = output - texture
    fresh = frame + (1 - keep) * enlarge(_tint(past - frame, keep), size)
    mean = torch.lerp(fresh, past, keep)

    change = detail(luma(fresh - past), _FINE)
    novelty = keep * change  # fine luma of the frame that the new mean lacks
    texture = texture - (1 - keep) * change  # what the old output has beyond the new mean
    texture = keep.sqrt() * texture + (1 - keep).sqrt() * novelty
    wanted, there = (mean3(average(layer.square(), _FINE)) for layer in (novelty, texture))
    texture = texture * enlarge((wanted / (there + 1e-7)).sqrt().clamp(max=_MOST_GAIN), size)

    fine = detail(luma(mean), _FINE) + texture
    least, most = range3(detail(luma(frame), _FINE))
    slack = enlarge(mean3(average(novelty.square(), 2)).sqrt(), size)  # how far the fine luma flickers
    texture = texture + (fine.clamp(least - slack, most + slack) - fine)
    return (mean + texture).clamp(0, 1), texture


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
    return offset / known.clamp(min=0.05)
