"""RGB pixels turned into the frames and colour tags that an encoder wants."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from scenivid.machine.lazy import torch
from scenivid.pixels import Layout, StoredClip
from scenivid.video.color import MATRICES, PRIMARIES, TRANSFERS, has_alpha
from scenivid.video.info import ColorInfo
from scenivid.video.siting import LeftSiting
from scenivid.video.writing.encoding.encoders import Encoding

if TYPE_CHECKING:
    from torch import Tensor

_LIMITED, _FULL = 1, 2
_BT709 = 1
_RGB = 0
_SWSCALE = {
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "bt470bg": Colorspace.ITU601,
    "smpte170m": Colorspace.ITU601,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020nc": Colorspace.BT2020,
}
"""Matrices that swscale can apply, by FFmpeg's name of the tag."""

# Chroma is averaged over the pixels that share it; without the other flags, swscale rounds down and
# takes every other sample instead.
_EXACT = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)


@dataclass(frozen=True)
class Tags:
    """Colour description of what is written, in FFmpeg's (and H.273's) code points."""

    matrix: int
    color_range: int
    """FFmpeg's number of the range: 1 limited, 2 full."""
    primaries: int
    transfer: int


def tags_for(color: ColorInfo, encoding: Encoding) -> Tags:
    """BT.709 limited, or what the source says about itself.

    ffv1 and gif store RGB. A source in RGB or HDR (tone-mapped before it is written) and one without
    tags become BT.709. ProRes is always limited.
    """
    if VideoFormat(encoding.pix_fmt).is_rgb and encoding.pix_fmt != "pal8":
        known = color.tagged and not color.hdr
        primaries = _code(PRIMARIES, color.primaries) if known else _BT709
        transfer = _code(TRANSFERS, color.transfer) if known else _BT709
        return Tags(_RGB, _FULL, primaries, transfer)
    if color.hdr or not color.tagged or color.matrix not in _SWSCALE:
        return Tags(_BT709, _LIMITED, _BT709, _BT709)
    return Tags(
        matrix=_code(MATRICES, color.matrix),
        color_range=_FULL if color.full_range and encoding.codec != "prores" else _LIMITED,
        primaries=_code(PRIMARIES, color.primaries),
        transfer=_code(TRANSFERS, color.transfer),
    )


def matching_tags(color: ColorInfo) -> Tags:
    """What the source has, also where that is a guess: for streams that can't say what they hold."""
    if color.hdr or color.matrix not in _SWSCALE:
        return Tags(_BT709, _LIMITED, _BT709, _BT709)
    return Tags(
        matrix=_code(MATRICES, color.matrix),
        color_range=_FULL if color.full_range else _LIMITED,
        primaries=_code(PRIMARIES, color.primaries),
        transfer=_code(TRANSFERS, color.transfer),
    )


def tag(target: VideoCodecContext | VideoFrame, tags: Tags) -> None:
    """Write the tags on an encoder (before it opens) or on a frame."""
    target.colorspace = tags.matrix
    target.color_range = tags.color_range
    target.color_primaries = tags.primaries
    target.color_trc = tags.transfer


class FrameMaker:
    """Turn [T, 3, H, W] pixels into frames of one pixel format, with an explicit matrix and range."""

    def __init__(self, encoding: Encoding, tags: Tags, alpha: bool = False) -> None:
        """`alpha` tells whether a picture with a palette is to keep transparency."""
        self._format = encoding.pix_fmt
        if encoding.pix_fmt == "pal8":  # the palette is made later
            self._format = "rgba" if alpha else "rgb24"
        self._alpha = has_alpha(VideoFormat(self._format))
        self._tags = tags
        self._scaler = VideoReformatter()
        self._sited = LeftSiting()

    def __call__(self, pixels: Tensor, alpha: Tensor | None = None) -> Iterator[VideoFrame]:
        """Yield one frame for each picture of uint8 or uint16 `pixels`; they own their memory.

        Args:
            pixels: [T, 3, H, W].
            alpha: [T, 1, H, W] of the same dtype; where the format has no room for it, it lies on black.
        """
        if alpha is not None and not self._alpha:
            pixels = over_black(pixels, alpha)
        elif self._alpha:
            opaque = torch.iinfo(pixels.dtype).max
            alpha = torch.full_like(pixels[:, :1], opaque) if alpha is None else alpha
            pixels = torch.cat([pixels, alpha], dim=1)
        rows = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        deep = pixels.dtype is torch.uint16
        name = ("rgba64le" if deep else "rgba") if self._alpha else ("rgb48le" if deep else "rgb24")
        rgb = self._tags.matrix == _RGB or self._format == name
        for picture in rows:
            if deep and not rgb:
                picture = np.concatenate([_to_swscale()[picture[..., :3]], picture[..., 3:]], axis=2)
            if self._format == name:
                yield VideoFrame.from_ndarray(picture, name)
                continue
            if picture.shape[1] == 1:  # PyAV can't see that one pixel a row lies in order
                frame = VideoFrame.from_ndarray(picture, name)
            else:
                frame = VideoFrame.from_numpy_buffer(picture, name)
            if rgb:
                frame = self._scaler.reformat(frame, format=self._format)
            else:
                frame = self._scaler.reformat(
                    self._sited(frame),
                    format=self._format,
                    dst_colorspace=_SWSCALE[MATRICES[self._tags.matrix]],
                    src_color_range=ColorRange.JPEG,
                    dst_color_range=ColorRange(self._tags.color_range),
                    interpolation=_EXACT,
                )
            tag(frame, self._tags)
            yield frame


def layout_of(encoding: Encoding, tags: Tags) -> Layout | None:
    """How frames lie in the file, if that is 8 bits of 4:2:0."""
    if encoding.pix_fmt != "yuv420p":
        return None
    return Layout(MATRICES[tags.matrix], tags.color_range == _FULL)


def stored_frames(clip: StoredClip, tags: Tags) -> Iterator[VideoFrame]:
    """Yield the frames of a clip that lies as the file stores it; they own their memory."""
    for luma, chroma in zip(clip.luma, clip.chroma, strict=True):
        height, width = luma.shape
        frame = VideoFrame(width, height, "yuv420p")
        for plane, values in zip(frame.planes, (luma, *chroma), strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            np.copyto(rows[: plane.height, : plane.width], values)
        tag(frame, tags)
        yield frame


def over_black(pixels: Tensor, alpha: Tensor) -> Tensor:
    """Pixels laid on black: pixels·alpha, rounded, of the same dtype."""
    white = torch.iinfo(pixels.dtype).max
    product = pixels.to(torch.int64) * alpha.to(torch.int64)
    return ((product + white // 2) // white).to(pixels.dtype)


@contextmanager
def quiet_encoders() -> Iterator[None]:
    """Keep SVT-AV1, which ignores FFmpeg's log level, from writing to stderr while it opens."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "1"  # errors only
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
        else:
            os.environ["SVT_LOG"] = before


@lru_cache
def _to_swscale() -> npt.NDArray[np.uint16]:
    """Table from white = 65535 to swscale's 16-bit white of 255·256."""
    table: npt.NDArray[np.uint16] = np.rint(np.arange(65536) * (65280 / 65535)).astype(np.uint16)
    return table


def _code(names: dict[int, str], name: str) -> int:
    return next((code for code, known in names.items() if known == name), 2)  # 2 is 'unspecified'
