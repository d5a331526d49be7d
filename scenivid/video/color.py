"""Colour tags of a stream, and frames of FFmpeg turned into full-range RGB."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from scenivid.errors import InputError
from scenivid.video.info import ColorInfo
from scenivid.video.siting import LeftSiting

Plane = npt.NDArray[Any]
"""uint8 or uint16, [H, W]."""

MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
    15: "ipt-c2",
    16: "ycgco-re",
    17: "ycgco-ro",
}
"""AVColorSpace to FFmpeg's name; what is absent is unspecified or reserved."""

PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
"""AVColorPrimaries to FFmpeg's name."""

TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log",
    10: "log_sqrt",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
"""AVColorTransferCharacteristic to FFmpeg's name."""

_DECODABLE = {"gbr", "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}
_PRIMARIES_OF = {
    "gbr": "bt709",
    "fcc": "bt470m",
    "bt470bg": "bt470bg",
    "smpte170m": "smpte170m",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
}
_TRANSFER_OF = {
    "gbr": "iec61966-2-1",
    "fcc": "gamma22",
    "bt470bg": "smpte170m",
    "smpte170m": "smpte170m",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020-10",
}
_LIMITED, _FULL = 1, 2
# Without these, swscale takes a shortcut that floors each term of the matrix (about -1, -1.5, -1 of
# 255 in R, G, B) and repeats chroma samples instead of interpolating them.
_EXACT = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)


def color_info(
    layout: VideoFormat,
    width: int,
    height: int,
    *,
    matrix: int,
    color_range: int,
    primaries: int,
    transfer: int,
) -> ColorInfo:
    """What the tags say, and a guess in the players' manner for what they don't.

    Args:
        layout: pixel format of the decoded frames.
        width: stored pixels.
        height: stored pixels; a picture of 1280 columns or 720 rows and more is taken for BT.709.
        matrix: AVColorSpace.
        color_range: AVColorRange.
        primaries: AVColorPrimaries.
        transfer: AVColorTransferCharacteristic.
    """
    rgb = layout.is_rgb or layout.has_palette
    name = MATRICES.get(matrix, "")
    if rgb:
        name = "gbr"
    elif name == "gbr":  # a tag that can't be true
        name = ""
    tagged = bool(name)
    if not name:
        if PRIMARIES.get(primaries) == "bt2020":
            name = "bt2020nc"
        else:
            name = "bt709" if width >= 1280 or height >= 720 else "smpte170m"
    gray = layout.name.startswith(("gray", "ya"))  # FFmpeg's convention: full range unless tagged
    full_range = (
        rgb or color_range == _FULL or layout.name.startswith("yuvj") or (gray and color_range != _LIMITED)
    )
    remarks = []
    wide = "bt2020" in {PRIMARIES.get(primaries), name.removesuffix("nc").removesuffix("c")}
    if wide and transfer not in TRANSFERS:
        remarks.append("BT.2020 colour without a transfer curve: taken for SDR; HDR would come out flat")
    elif not tagged and primaries not in PRIMARIES and width >= 3840 and bits(layout) > 8:
        remarks.append(
            f"no colour tags: taken for {name}, though a 10-bit picture of this size may be BT.2020"
        )
    return ColorInfo(
        matrix=name,
        full_range=full_range,
        primaries=PRIMARIES.get(primaries) or _PRIMARIES_OF.get(name, "bt709"),
        transfer=TRANSFERS.get(transfer) or _TRANSFER_OF.get(name, "bt709"),
        tagged=tagged,
        remarks=tuple(remarks),
    )


def has_alpha(layout: VideoFormat) -> bool:
    """Whether frames of this pixel format carry transparency."""
    return layout.has_palette or any(component.is_alpha for component in layout.components)


def bits(layout: VideoFormat) -> int:
    """Bits per colour component as stored; floating point counts as 16."""
    if layout.has_palette:
        return 8
    if "f32" in layout.name or "f16" in layout.name:
        return 16
    return max(8, *(part.bits for part in layout.components if not part.is_alpha))


class RgbConverter:
    """Turn decoded frames into planar full-range RGB, by the matrix and range of `color`."""

    def __init__(self, color: ColorInfo) -> None:
        """Raises InputError for a matrix that swscale can't invert."""
        if color.matrix not in _DECODABLE:
            known = ", ".join(sorted(_DECODABLE))
            raise InputError(
                f"the colour matrix {color.matrix} can't be decoded (known: {known}): convert first"
            )
        self._matrix = next(code for code, name in MATRICES.items() if name == color.matrix)
        self._full = color.full_range
        self._scaler = VideoReformatter()
        self._sited = LeftSiting()

    def __call__(self, frame: VideoFrame) -> list[Plane]:
        """The planes R, G, B of `frame`, as `planes` gives them, laid on black."""
        planes = self.planes(frame)
        return planes if len(planes) == 3 else [over_black(plane, planes[3]) for plane in planes[:3]]

    def planes(self, frame: VideoFrame) -> list[Plane]:
        """The planes of `frame`, each [H, W], uint8, or uint16 where it has more than 8 bits.

        They are R, G, B and, where the format has one, the opacity. Colour is not multiplied by it, but black
        where it is 0.
        """
        layout = frame.format
        depth = bits(layout)
        alpha = has_alpha(layout)
        # The stream's own tags may be wrong or missing: what `color` says holds for every frame.
        if not (layout.is_rgb or layout.has_palette):
            frame.colorspace = self._matrix
            frame.color_range = _FULL if self._full else _LIMITED
        if _is_422(layout):
            frame = self._sited(frame)
        name = ("gbrap" if alpha else "gbrp") + ("16le" if depth > 8 else "")
        try:
            picture = self._scaler.reformat(frame, format=name, interpolation=_EXACT, dst_color_range=_FULL)
        except (FFmpegError, ValueError) as exc:
            raise InputError(f"the pixel format {layout.name} can't be turned into RGB ({exc})") from exc
        dtype = np.uint16 if depth > 8 else np.uint8
        green, blue, red, *rest = (_plane(picture, index, dtype) for index in range(3 + alpha))
        planes = [red, green, blue]
        gray = layout.name.startswith(("gray", "ya"))  # never expanded by swscale
        if gray and not self._full:
            table = _expansion(depth)
            planes = [np.take(table, plane) for plane in planes]
        elif depth > 8:
            table = _to_full_scale(depth, self._full or layout.is_rgb)
            planes = [np.take(table, plane) for plane in planes]
        if rest:
            opacity = np.take(_to_full_scale(depth, True), rest[0]) if depth > 8 else rest[0]
            hidden = opacity == 0
            planes = [*(np.where(hidden, 0, plane).astype(dtype) for plane in planes), opacity]
        return planes


def _is_422(layout: VideoFormat) -> bool:
    """4:2:2 other than JPEG's, which lies on even columns in all standards: FFmpeg doesn't say so of HEVC."""
    halved = not layout.is_rgb and layout.chroma_width(4) == 2 and layout.chroma_height(4) == 4
    return halved and not layout.name.startswith("yuvj")


def _plane(picture: VideoFrame, index: int, dtype: type[np.generic]) -> Plane:
    rows: Plane = np.frombuffer(memoryview(picture.planes[index]), dtype).reshape(picture.height, -1)
    return rows[:, : picture.width]


@lru_cache
def _to_full_scale(depth: int, full_range: bool) -> npt.NDArray[np.uint16]:
    """Table that stretches swscale's 16-bit white to 65535.

    swscale shifts: white becomes 255·256 from limited range, (2^b - 1)·2^(16-b) from full range.
    """
    white = ((1 << depth) - 1) << (16 - depth) if full_range else 255 << 8
    values = np.arange(65536, dtype=np.float64) * (65535 / white)
    return np.rint(np.minimum(values, 65535)).astype(np.uint16)


@lru_cache
def _expansion(depth: int) -> npt.NDArray[Any]:
    """Table from limited to full range, for grey as swscale leaves it: 8 bits, or shifted to 16."""
    count, dtype = (65536, np.uint16) if depth > 8 else (256, np.uint8)
    unit = count // 256
    values = (np.arange(count) - 16.0 * unit) * ((count - 1) / (219.0 * unit))
    table: npt.NDArray[Any] = np.rint(values.clip(0, count - 1)).astype(dtype)
    return table


def over_black(plane: Plane, alpha: Plane) -> Plane:
    """One colour of a picture laid on black: plane·alpha, rounded, of the same dtype and shape."""
    white = int(np.iinfo(plane.dtype).max)
    product = plane.astype(np.uint32) * alpha
    composite: Plane = ((product + white // 2) // white).astype(plane.dtype)
    return composite
