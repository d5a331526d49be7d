"""Causal temporal coherence: each stylised frame keeps what its predecessors agreed on.

Along the motion of the source, a recursive mean of the stylised frames y is carried on and kept up to date:

    m ← m' + r (y − m')        m' is m moved, and given the change of light that the source has gone through
    o = m + κ₁ m₁ + κ₂ m₂      m₁, m₂: two bands of m's detail, made as strong as y's detail that follows m

The rate r is small where the motion is trusted, and 1 where it isn't (disocclusion, wrong flow) or where the
light has changed by more than a gain explains. What moves by fractions of a pixel is resampled and wears, so
that its history is kept shorter. Blending along the motion after Karis 2014 (temporal anti-aliasing);
consistency of a black-box stylisation through the source as in Lai et al. 2018.

These are the reference formulas, for tensors on any device; `plane_steady` has the same for planes on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenivid.errors import InputError
from scenivid.flow.consistency import Motion, estimate_motion
from scenivid.flow.filters import average, enlarge, mean3, slope
from scenivid.flow.warp import resize_flow, warp
from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_CONSISTENCY = 0.7
"""Brings a strongly flickering network near its source's own steadiness and keeps its sharpness."""
AREA = 8
"""Side in pixels of the areas over which light and contrast are judged; smaller details are sharpened."""
OLDEST = 1000.0
"""Frames; beyond this, age makes no difference."""
MOST_GAIN = 0.25
"""By how much a band of detail may be strengthened."""
LEAST_LIGHT = 0.012
"""Relative change of light that is left to the mean: the flicker of a codec is no change of light."""
MOST_LIGHT = 0.25
"""Relative change of light that is followed by a gain; beyond it the history is wrong."""
DARK = 0.02
"""Added to both sides of the ratio of two colours, in [0, 1]."""
LIGHT = 0.05
"""Difference between the light now and when the history was made, at which trust has fallen to 1/e."""
LOOSE = 0.1
"""Misplacement of the history, in areas, that the check of the light forgives."""
SPREAD = 1
"""How many times the source's colours are averaged over 3×3 areas: carrying them on wears them less."""
WIDE = 4
"""How many times more for gains: light changes smoothly."""
FAINT = 1e-6
"""Square of detail, averaged over an area, that is nothing."""
_STILL_FLOOR, _STILL_POWER = 0.0025, 1.615
_MOVING_FLOOR, _MOVING_POWER = 0.12, 0.64
MOVING_PX = 0.3
"""Pixels a frame from which on resampling wears the history as much as it ever does."""


@dataclass(frozen=True, eq=False)
class Memory:
    """What `steady` carries from frame to frame, all float32. Areas are 8×8 pixels, sides rounded up."""

    source: Tensor
    """Previous source frame, [1, 3, H, W] in [0, 1]."""
    output: Tensor
    """Previous steadied frame, [1, 3 or 4, H, W] in [0, 1]."""
    mean: Tensor
    """The recursive mean of the stylised frames: luma, Cb, Cr and maybe the line, [1, 3 or 4, H, W]."""
    reference: Tensor
    """The source averaged with the same rates and gains, RGB of areas, [1, 3, h, w]."""
    light: Tensor
    """The source averaged with the same rates, as it was: RGB of areas, [1, 3, h, w]."""
    age: Tensor
    """For how many frames each place has been seen, ≥ 1, half size, [1, 1, ⌈H/2⌉, ⌈W/2⌉]."""
    contrast: Tensor
    """`_followed` of luma in two bands, averaged over time: [1, 4, h, w]."""


def steady(
    source: Tensor, styled: Tensor, memory: Memory | None, motion: Motion | None, consistency: float
) -> tuple[Tensor, Memory]:
    """Blend a stylised frame with its past, moved along the motion of the source.

    A source frame identical to the one before gives an output identical to the one before.

    Args:
        source: the frame before stylisation, [1, 3, H, W], float in [0, 1].
        styled: the same frame stylised, same shape, or with a line field as fourth channel.
        memory: what the call for the previous frame returned; None at the first frame of a shot.
        motion: from `source` to the previous source; None takes nothing to move.
        consistency: 0 returns `styled` itself, 1 follows the past as long as the source allows.

    Returns:
        The steadied frame, dtype of `styled`, in [0, 1], and the memory for the next frame. A frame that
        isn't finite poisons both: see `check_styled`.
    """
    now, frame = source.float(), styled.float()
    planes, light_now = _planes(frame), _spread(average(now, AREA), SPREAD)
    if memory is None or consistency <= 0:
        age = torch.ones_like(average(now[:, :1], 2))
        contrast = torch.full_like(light_now[:, :1], FAINT).expand(-1, 4, -1, -1)
        return styled, Memory(now, frame, planes, light_now, light_now, age, contrast)
    if motion is None:
        motion = estimate_motion(None, now, memory.source)
    half = (memory.age.shape[-2], memory.age.shape[-1])
    coarse = resize_flow(motion.flow, (light_now.shape[-2], light_now.shape[-1]))
    fields = warp(torch.cat((memory.reference, memory.light, memory.contrast), 1), coarse)
    reference, light, contrast = fields[:, :3], fields[:, 3:6], fields[:, 6:]

    confidence = average(motion.confidence, 2).sqrt()  # the checks doubt too much of water and leaves
    gain = _light_gain(light_now, reference, average(confidence, AREA // 2))
    past = _lit(warp(memory.mean, motion.flow, "cubic"), gain)
    trust = confidence * enlarge(_same_light(light_now, light), half)
    trust = torch.minimum(trust, mean3(trust))
    flow = resize_flow(motion.flow, half)
    age = (warp(memory.age, flow).clamp(min=1) * trust + 1).clamp(max=OLDEST)
    keep = trust * (1 - torch.maximum(1 / age, _rate(flow, consistency)))

    mean = torch.lerp(planes, past, enlarge(keep, (now.shape[-2], now.shape[-1])))
    share = average(keep, AREA // 2)
    reference, light = torch.lerp(light_now, reference * gain, share), torch.lerp(light_now, light, share)
    crisp, contrast = _crisp(mean, planes, contrast, share)

    same = (now == memory.source).all()
    output = torch.where(same, memory.output, _colours(crisp).clamp(0, 1))
    mean = torch.where(same, memory.mean, mean)
    return output.to(styled.dtype), Memory(now, output, mean, reference, light, age, contrast)


def check_styled(styled: Tensor) -> None:
    """Ask this before `steady` of what a network gave; waits for the device.

    Raises:
        InputError: NaN or infinity; such a frame must not be remembered.
    """
    if not bool(torch.isfinite(styled.sum(dtype=torch.float32))):
        raise InputError("the stylised frame holds values that are no numbers (NaN or infinity)")


def rates(consistency: float) -> tuple[float, float]:
    """Share of the current frame in the output where the history is trusted: of what is still, of what moves.

    Both fall from 1 at 0 to a floor at 1, below which the past would rule for hundreds of frames or, where
    it is resampled at each of them, wear.
    """
    return _STILL_FLOOR ** (consistency**_STILL_POWER), _MOVING_FLOOR ** (consistency**_MOVING_POWER)


def _rate(flow: Tensor, consistency: float) -> Tensor:
    """`rates` by place, [1, 1, h, w]; the flow is [1, 2, h, w] in half-size pixels."""
    still, moving = rates(consistency)
    speed_px = 2 * flow.square().sum(dim=1, keepdim=True).sqrt()
    rate: Tensor = still * (moving / still) ** (speed_px / MOVING_PX).clamp(max=1)
    return rate


def _light_gain(light: Tensor, reference: Tensor, confidence: Tensor) -> Tensor:
    """What the light of each area has been multiplied by since `reference`, for each colour.

    Args:
        light, reference: RGB of areas, [1, 3, h, w].
        confidence: in the motion, [1, 1, h, w].

    Returns:
        [1, 3, h, w]; 1 where the change is less than noise and codecs cause.
    """
    weight = confidence + 1e-3
    stack = _spread(torch.cat((light * weight, reference * weight, weight), 1), WIDE)
    now, before = stack[:, :3] / stack[:, 6:], stack[:, 3:6] / stack[:, 6:]
    change = (now + DARK) / (before + DARK) - 1
    followed: Tensor = change.clamp(-MOST_LIGHT, MOST_LIGHT) - change.clamp(-LEAST_LIGHT, LEAST_LIGHT)
    return 1 + followed


def _lit(past: Tensor, gain: Tensor) -> Tensor:
    """Multiply the colours of areas by `gain`, and their luma and chroma contrast by the gain of luma."""
    low = average(past[:, :3], AREA)
    factor = _luma(gain)
    offset = _planes(_colours(low) * (gain - 1)) - (factor - 1) * low
    size = (past.shape[-2], past.shape[-1])
    lit = past[:, :3] * enlarge(factor, size) + enlarge(offset, size)
    return torch.cat((lit, past[:, 3:]), 1)


def _spread(image: Tensor, times: int) -> Tensor:
    for _ in range(times):
        image = mean3(image)
    return image


def _same_light(light: Tensor, before: Tensor) -> Tensor:
    """1 where areas have the colours that the history was made under, falling to 0: gains explain no more.

    Args:
        light, before: RGB of areas, [1, 3, h, w].

    Returns:
        [1, 1, h, w].
    """
    error = (light - before).abs().mean(dim=1, keepdim=True)
    excess = (error - slope(light) * LOOSE).clamp(min=0)
    return torch.exp(-(excess / LIGHT).square())


def _crisp(mean: Tensor, wanted: Tensor, contrast: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Give the mean the local contrast that averaging and resampling wear down, in two bands of its detail.

    Luma's alone: lines are made crisp as they are enlarged. Not part of the history: it would add up there.

    Args:
        mean, wanted: planes of the history and of the stylised frame, [1, 3 or 4, H, W].
        contrast: `_followed` of the past, moved, [1, 4, h, w].
        keep: share of the past in the new `contrast`, [1, 1, h, w].

    Returns:
        The crisp planes, and the contrast.
    """
    soft, fine = _bands(mean[:, :1])
    soft_wanted, fine_wanted = _bands(wanted[:, :1])
    found = torch.cat((_followed(soft_wanted, soft), _followed(fine_wanted, fine)), 1)
    found = torch.lerp(found, contrast, keep)
    gain = ((found[:, ::2] + FAINT) / (found[:, 1::2] + FAINT) - 1).clamp(0, MOST_GAIN)
    low, high = enlarge(gain, (mean.shape[-2], mean.shape[-1])).chunk(2, dim=1)
    return torch.cat((mean[:, :1] + low * soft + high * fine, mean[:, 1:]), 1), found


def _followed(wanted: Tensor, there: Tensor) -> Tensor:
    """How strongly `wanted` follows `there`, by area: the regression's Σwt and Σt², [1, 2, h, w].

    What flickers in `wanted` doesn't follow: unlike a ratio of contrasts, this strengthens no noise.
    """
    return mean3(average(torch.cat((wanted * there, there * there), 1), AREA))


def _bands(plane: Tensor) -> tuple[Tensor, Tensor]:
    """Detail beyond areas: what 3×3 means keep of it, and the rest."""
    there = plane - enlarge(average(plane, AREA), (plane.shape[-2], plane.shape[-1]))
    soft = mean3(there)
    return soft, there - soft


def _luma(image: Tensor) -> Tensor:
    red, green, blue = image[:, :1], image[:, 1:2], image[:, 2:3]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _planes(image: Tensor) -> Tensor:
    """RGB, maybe with a line, to luma, Cb and Cr (BT.709), the line as it is."""
    luma = _luma(image)
    blue, red = (image[:, 2:3] - luma) / 1.8556, (image[:, :1] - luma) / 1.5748
    return torch.cat((luma, blue, red, image[:, 3:]), 1)


def _colours(planes: Tensor) -> Tensor:
    """The inverse of `_planes`."""
    luma = planes[:, :1]
    blue, red = luma + 1.8556 * planes[:, 1:2], luma + 1.5748 * planes[:, 2:3]
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return torch.cat((red, green, blue, planes[:, 3:]), 1)
