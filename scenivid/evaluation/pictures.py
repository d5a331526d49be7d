"""Pictures of flicker: crops of consecutive frames side by side, and slices of space and time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.evaluation.lockstep import open_together
from scenivid.evaluation.results import FlickerReport
from scenivid.pixels import to_pixels

STRIP_FRAMES = 8
_CROP_SHARE = (3, 4)  # the crop is a third of the height and a quarter of the width
_CROP_WIDTH = 220
_SLICE_FRAMES = 320
_SLICE_WIDTH = 420


@dataclass(frozen=True)
class Box:
    """Part of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Pictures:
    """What to look at: uint8 RGB, [H, W, 3], one entry a video in the order source, per-frame, output."""

    box: Box
    """The place where the strips were cut."""
    times: tuple[int, ...]
    """Frame numbers of the strips."""
    strips: tuple[tuple[Tensor, ...], ...]
    """Crops at `times`, for each video."""
    line: int
    """The row of pixels that the slices follow."""
    span: tuple[int, int]
    """First frame of the slices and the one after their last."""
    slices: tuple[Tensor, ...]
    """One row of pixels over time: x to the right, time downwards; one row a frame."""
    poster: Tensor
    """The output at the first of `times`, whole."""


def take_pictures(report: FlickerReport) -> Pictures:
    """Read the videos of `report` again and cut out what shows the flicker best.

    The crop is where the warping error was largest, the times are those around its worst pair of frames.
    """
    videos = [path for path in (report.source, report.per_frame, report.styled) if path is not None]
    box, line = hottest_box(report), _hottest_line(report)
    worst = _worst_pair(report)
    times = _around(worst, STRIP_FRAMES, report.frames)
    span = _around(worst, _SLICE_FRAMES, report.frames)
    strips: list[list[Tensor]] = [[] for _ in videos]
    lines: list[list[Tensor]] = [[] for _ in videos]
    poster = None
    with open_together(videos, report.window) as together:
        for moment in together:
            if moment.index >= max(times.stop, span.stop):
                break
            for video, frame in enumerate(moment.frames):
                if moment.index in span:
                    lines[video].append(frame[:, line : line + 1])
                if moment.index in times:
                    strips[video].append(_picture(_crop(frame, box)))
            if moment.index == times.start:
                poster = _picture(_shrunk(moment.frames[-1], 480))
    assert poster is not None
    return Pictures(
        box=box,
        times=tuple(times),
        strips=tuple(map(tuple, strips)),
        line=line,
        span=(span.start, span.stop),
        slices=tuple(_picture(_shrunk_width(torch.cat(rows, dim=1), _SLICE_WIDTH)) for rows in lines),
        poster=poster,
    )


def hottest_box(report: FlickerReport) -> Box:
    """A third of the height by a quarter of the width, where the mean of `report.heat` is largest."""
    heat = torch.tensor(report.heat)[None, None]
    window = (heat.shape[2] // _CROP_SHARE[0], heat.shape[3] // _CROP_SHARE[1])
    means = F.avg_pool2d(heat, window, stride=1)[0, 0]
    row, column = divmod(int(means.argmax()), means.shape[1])
    height, width = report.height // _CROP_SHARE[0], report.width // _CROP_SHARE[1]
    return Box(
        top=min(row * report.height // heat.shape[2], report.height - height),
        left=min(column * report.width // heat.shape[3], report.width - width),
        height=height,
        width=width,
    )


def _hottest_line(report: FlickerReport) -> int:
    heat = torch.tensor(report.heat)
    return min(report.height - 1, int((float(heat.mean(dim=1).argmax()) + 0.5) * report.height / len(heat)))


def _worst_pair(report: FlickerReport) -> int:
    curve = report.curves["e_warp"]
    values = [value or 0.0 for value in curve.get("per_frame", curve["output"])]
    return values.index(max(values))


def _around(centre: int, count: int, frames: int) -> range:
    """`count` frames around `centre`, moved to lie inside 0 … frames−1; fewer where the video is shorter."""
    start = max(0, min(centre - count // 2 + 1, frames - count))
    return range(start, min(frames, start + count))


def _crop(frame: Tensor, box: Box) -> Tensor:
    part = frame[:, box.top : box.top + box.height, box.left : box.left + box.width]
    return _shrunk(part, _CROP_WIDTH)


def _shrunk(image: Tensor, width: int) -> Tensor:
    if image.shape[2] <= width:
        return image
    size = (max(1, round(image.shape[1] * width / image.shape[2])), width)
    return F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]


def _shrunk_width(image: Tensor, width: int) -> Tensor:
    if image.shape[2] <= width:
        return image
    return F.interpolate(image[None], (image.shape[1], width), mode="bilinear", antialias=True)[0]


def _picture(image: Tensor) -> Tensor:
    return to_pixels(image).permute(1, 2, 0)
