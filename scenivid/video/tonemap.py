"""HDR (PQ or HLG) to SDR: light in, light out, then BT.709.

Display light in cd/m² → BT.2390 roll-off from 1000 cd/m² to an SDR white of 203 cd/m² → gamut of
BT.709 → BT.1886 gamma. The curve is fixed, so a picture never flickers with its brightest pixel.
203 cd/m² is the HDR reference white of ITU-R BT.2408. What is darker than 88 cd/m² keeps its light
exactly; what is brighter is rolled off instead of clipped, so that diffuse white ends at 90 % signal.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, to_float, to_pixels
from scenivid.video.info import VideoInfo

if TYPE_CHECKING:
    from torch import Tensor

REFERENCE_WHITE = 203.0
"""cd/m² of SDR white, and of diffuse white in HDR (ITU-R BT.2408)."""
PEAK = 1000.0
"""cd/m² that become SDR white: the usual peak of mastering displays; brighter light is clipped."""

# SMPTE ST 2084.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# ARIB STD-B67 / ITU-R BT.2100.
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA = 1.2  # of a display with a peak of 1000 cd/m²
_SDR_GAMMA = 2.4  # ITU-R BT.1886
_LUMA_2020 = (0.2627, 0.6780, 0.0593)
_LUMA_709 = (0.2126, 0.7152, 0.0722)
_CHROMATICITIES = {
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    "smpte432": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""x, y of red, green and blue, all with white D65."""
_D65 = (0.3127, 0.3290)


def tonemap(clip: Clip, info: VideoInfo) -> Clip:
    """Turn an HDR clip into SDR.

    Args:
        clip: full-range R'G'B' as the reader gives it, uint8 or uint16.
        info: of its source; `info.color.transfer` is 'smpte2084' (PQ) or 'arib-std-b67' (HLG),
            `info.color.primaries` is usually 'bt2020'.

    Returns:
        uint8 pixels in BT.709, same size and times.

    Raises:
        ValueError: `info` is not HDR.
    """
    if not info.color.hdr:
        raise ValueError(f"{info.color.transfer} is not HDR")
    matrix = _to_bt709(info.color.primaries)
    frames = [_frame(frame, info.color.transfer, matrix) for frame in clip.pixels]
    alpha = None if clip.alpha is None else to_pixels(to_float(clip.alpha))
    return Clip(torch.stack(frames), clip.pts, clip.durations, alpha)


def pq_to_light(signal: Tensor) -> Tensor:
    """PQ signal in [0, 1] to cd/m² in [0, 10000] (ST 2084 EOTF)."""
    power = signal.clamp(0, 1) ** (1 / _M2)
    return 10000 * ((power - _C1).clamp_min(0) / (_C2 - _C3 * power)) ** (1 / _M1)


def light_to_pq(light: Tensor) -> Tensor:
    """cd/m² to PQ signal in [0, 1]."""
    power = (light / 10000).clamp(0, 1) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_to_scene(signal: Tensor) -> Tensor:
    """HLG signal in [0, 1] to scene light in [0, 1] (BT.2100 inverse OETF)."""
    return torch.where(signal <= 0.5, signal**2 / 3, (((signal - _C) / _A).exp() + _B) / 12)


def roll_off(light: Tensor) -> Tensor:
    """Display light in [0, 10000] cd/m² to [0, 203] cd/m² (ITU-R BT.2390, section 5.4.1).

    The identity up to the knee, then a Hermite spline in PQ that reaches 203 at 1000 with slope 0.
    """
    peak = light_to_pq(torch.tensor(PEAK, dtype=torch.float64))
    top = light_to_pq(torch.tensor(REFERENCE_WHITE, dtype=torch.float64)) / peak
    knee = 1.5 * top - 0.5
    signal = (light_to_pq(light.double()) / peak).clamp_max(1)
    t = ((signal - knee) / (1 - knee)).clamp_min(0)
    # P(t) = (2t³-3t²+1)·knee + (t³-2t²+t)·(1-knee) + (-2t³+3t²)·top
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * top
    )
    mapped = pq_to_light(torch.where(signal < knee, signal, spline) * peak)
    return torch.where(signal < knee, light.double(), mapped).to(light.dtype)


def _frame(pixels: Tensor, transfer: str, matrix: Tensor) -> Tensor:
    """One [3, H, W] integer picture to uint8 BT.709."""
    codes = pixels.to(torch.int32)
    deep = pixels.dtype is torch.uint16
    if transfer == "smpte2084":
        light, curve = _pq_tables(deep)
        # The brightest component is rolled off and the others keep their ratio to it: hue stays.
        linear = _look_up(light, codes) * _look_up(curve, codes.amax(0, keepdim=True))
    else:
        scene = _look_up(_hlg_table(deep), codes)
        luma = scene.new_tensor(_LUMA_2020).view(3, 1, 1)
        brightness = (scene * luma).sum(0, keepdim=True)
        display = PEAK * brightness ** (_HLG_GAMMA - 1) * scene  # BT.2100 OOTF
        # The table is in steps of the square root of light, as fine for dark as the eye is.
        brightest = (display.amax(0, keepdim=True) / PEAK).clamp(0, 1).sqrt()
        linear = display / REFERENCE_WHITE * _look_up(_hlg_ratio(), (brightest * 65535).to(torch.int32))
    height, width = pixels.shape[1:]
    linear = (matrix @ linear.view(3, -1)).view(3, height, width)
    return to_pixels(_into_gamut(linear).clamp(0, 1) ** (1 / _SDR_GAMMA))


def _into_gamut(linear: Tensor) -> Tensor:
    """Pull colours outside [0, 1] towards the grey of their own luminance, just far enough."""
    luma = (linear * linear.new_tensor(_LUMA_709).view(3, 1, 1)).sum(0, keepdim=True).clamp(0, 1)
    low, high = linear.amin(0, keepdim=True), linear.amax(0, keepdim=True)
    below = torch.where(low < 0, luma / (luma - low).clamp_min(1e-9), 1)
    above = torch.where(high > 1, (1 - luma) / (high - luma).clamp_min(1e-9), 1)
    return luma + (linear - luma) * torch.minimum(below, above)


def _ratio(light: Tensor) -> Tensor:
    """What light of this brightness is multiplied with."""
    return torch.where(light > 1e-4, roll_off(light) / light.clamp_min(1e-4), 1)


@lru_cache
def _pq_tables(deep: bool) -> tuple[Tensor, Tensor]:
    """For each code: light relative to SDR white, and the ratio of the roll-off."""
    light = pq_to_light(_codes(deep))
    return (light / REFERENCE_WHITE).float(), _ratio(light).float()


@lru_cache
def _hlg_table(deep: bool) -> Tensor:
    return hlg_to_scene(_codes(deep)).float()


@lru_cache
def _hlg_ratio() -> Tensor:
    return _ratio(_codes(True) ** 2 * PEAK).float()


def _look_up(table: Tensor, codes: Tensor) -> Tensor:
    return table.index_select(0, codes.reshape(-1)).view(codes.shape)


def _codes(deep: bool) -> Tensor:
    levels = 65535 if deep else 255
    return torch.arange(levels + 1, dtype=torch.float64) / levels


@lru_cache
def _to_bt709(primaries: str) -> Tensor:
    """Linear RGB of `primaries` (BT.2020 where unknown: HDR hardly comes in another) to BT.709, [3, 3]."""
    source = _to_xyz(_CHROMATICITIES.get(primaries, _CHROMATICITIES["bt2020"]))
    matrix: Tensor = torch.linalg.solve(_to_xyz(_CHROMATICITIES["bt709"]), source)
    return matrix.float()


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> Tensor:
    def xyz(x: float, y: float) -> Tensor:
        return torch.tensor([x / y, 1.0, (1 - x - y) / y], dtype=torch.float64)

    columns = torch.stack([xyz(*primary) for primary in primaries], dim=1)
    amounts: Tensor = torch.linalg.solve(columns, xyz(*_D65))
    return columns * amounts
