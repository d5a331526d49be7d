"""Decoded frames turned into clips: upright, full-range RGB, of one size and depth."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from scenivid.colour import MATRICES as STORED_MATRICES
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, Layout, StoredClip
from scenivid.video.color import Plane, RgbConverter, over_black
from scenivid.video.describe import orientation
from scenivid.video.info import VideoInfo
from scenivid.video.reading.findings import Findings


def clips_of(
    frames: Iterator[VideoFrame], info: VideoInfo, batch: int, findings: Findings
) -> Generator[Clip, None, None]:
    """`batch` frames at a time.

    Args:
        frames: with `pts`.
        info: size, depth and colour that every frame gets, whatever its own.
        batch: frames a clip.
        findings: told of a change of size.

    Raises:
        InputError: a frame is larger than the settings allow, or its colours can't be converted.
    """
    convert = RgbConverter(info.color)
    # NumPy's memory goes back to the system at once; torch's allocator keeps some tens of MB.
    pixels: npt.NDArray[Any] = np.empty(0, np.uint16 if info.bit_depth > 8 else np.uint8)
    turn: tuple[int, bool] | None = None
    sizes = {(info.width, info.height)}
    pts: list[Fraction] = []
    durations: list[Fraction | None] = []
    for frame in frames:
        if turn is None:  # asked once: a frame asked for side data lives until the garbage collector comes
            turn = orientation(frame, info.path)
        if not pts:
            pixels = np.empty((batch, 3 + info.alpha, info.height, info.width), pixels.dtype)
        planes = _upright(convert.planes(frame), turn)
        _say_size(planes[0], sizes, frame, info, findings)
        for target, plane in zip(pixels[len(pts)], _fitted(planes, pixels), strict=True):
            np.copyto(target, plane)
        assert frame.pts is not None
        pts.append(frame.pts * info.time_base)
        durations.append(frame.duration * info.time_base if frame.duration else None)
        if len(pts) == batch:
            yield _clip(pixels, pts, durations)
            pts, durations = [], []
    if pts:
        yield _clip(pixels[: len(pts)], pts, durations)


def storable(info: VideoInfo) -> bool:
    """Whether frames can be had as they are stored: 8 bits, 4:2:0, in light that needs no tone mapping.

    Motion JPEG can't: its chroma lies between two columns, that of the codecs written on even ones.
    """
    if info.codec == "mjpeg":
        return False
    plain = info.chroma == "420" and info.bit_depth == 8 and not info.alpha and not info.color.hdr
    return plain and info.width % 2 == info.height % 2 == 0 and info.color.matrix in STORED_MATRICES


def stored_clips_of(
    frames: Iterator[VideoFrame], info: VideoInfo, batch: int, findings: Findings
) -> Generator[StoredClip, None, None]:
    """`clips_of`, but as files store them; `info` is `storable`."""
    layout = Layout(info.color.matrix, info.color.full_range)
    height, width = info.height, info.width
    convert: VideoReformatter | None = None
    turn: tuple[int, bool] | None = None
    sizes = {(width, height)}
    luma = chroma = np.empty(0, np.uint8)
    pts: list[Fraction] = []
    durations: list[Fraction | None] = []

    def clip() -> StoredClip:
        count = len(pts)
        return StoredClip(luma[:count], chroma[:count], layout, tuple(pts), tuple(durations))

    for frame in frames:
        if turn is None:
            turn = orientation(frame, info.path)
        if not pts:
            luma = np.empty((batch, height, width), np.uint8)
            chroma = np.empty((batch, 2, height // 2, width // 2), np.uint8)
        shown = frame
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            convert = convert or VideoReformatter()
            shown = convert.reformat(frame, format="yuv420p")
        planes = _upright([_stored_plane(shown, index) for index in range(3)], turn)
        _say_size(planes[0], sizes, frame, info, findings)
        for target, plane in zip((luma[len(pts)], *chroma[len(pts)]), planes, strict=True):
            if plane.shape != target.shape:
                how = cv2.INTER_AREA if plane.size > target.size else cv2.INTER_CUBIC
                size = (target.shape[1], target.shape[0])
                plane = cv2.resize(np.ascontiguousarray(plane), size, interpolation=how)
            np.copyto(target, plane)
        assert frame.pts is not None
        pts.append(frame.pts * info.time_base)
        durations.append(frame.duration * info.time_base if frame.duration else None)
        if len(pts) == batch:
            yield clip()
            pts, durations = [], []
    if pts:
        yield clip()


def _stored_plane(frame: VideoFrame, index: int) -> Plane:
    plane = frame.planes[index]
    rows: Plane = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _say_size(
    plane: Plane, sizes: set[tuple[int, int]], frame: VideoFrame, info: VideoInfo, findings: Findings
) -> None:
    height, width = plane.shape
    if (width, height) in sizes:
        return
    sizes.add((width, height))
    findings.note(
        f"the picture size changes from {info.width}x{info.height} to {width}x{height}"
        f" at {float((frame.pts or 0) * info.time_base - info.start):.3f} s: scaled to the first"
    )


def _upright(planes: list[Plane], turn: tuple[int, bool]) -> list[Plane]:
    degrees, mirrored = turn
    return [np.rot90(plane[:, ::-1] if mirrored else plane, -(degrees // 90)) for plane in planes]


def _fitted(planes: list[Plane], like: npt.NDArray[Any]) -> list[Plane]:
    """As many planes as `like` [T, C, H, W] has, of its size and depth."""
    wanted, height, width = like.shape[1:]
    if planes[0].dtype != like.dtype:
        planes = [_of_depth(plane, like.dtype) for plane in planes]
    if planes[0].shape != (height, width):
        smaller = planes[0].size > height * width
        how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        planes = [
            cv2.resize(np.ascontiguousarray(plane), (width, height), interpolation=how) for plane in planes
        ]
    if len(planes) > wanted:
        planes = [over_black(plane, planes[3]) for plane in planes[:3]]
    elif len(planes) < wanted:
        planes = [*planes, np.full_like(planes[0], np.iinfo(like.dtype).max)]
    return planes


def _of_depth(plane: Plane, dtype: np.dtype[Any]) -> Plane:
    if dtype == np.uint16:
        deep: Plane = plane.astype(np.uint16) * np.uint16(257)
        return deep
    flat: Plane = ((plane.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return flat


def _clip(pixels: npt.NDArray[Any], pts: list[Fraction], durations: list[Fraction | None]) -> Clip:
    frames = torch.from_numpy(pixels)
    alpha = frames[:, 3:] if frames.shape[1] == 4 else None
    return Clip(frames[:, :3], tuple(pts), tuple(durations), alpha)
