"""The last stage on the CPU: full size, lines, the share of the source, and bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from scenivid import colour
from scenivid.engine.lanes.plan import Plan, alpha_like
from scenivid.engine.lanes.planes import RGB_MATRIX, Frame, planes_of, told
from scenivid.ink import TINT, compose
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, Layout, StoredClip, to_float, to_pixels
from scenivid.styles.finish_planes import GuideStats, Ink, finish_plane, put_plane
from scenivid.styles.ink_planes import ChromaInk, LumaInk, mean_tint

if TYPE_CHECKING:
    from torch import Tensor


class Finish:
    """Bring a frame to full size, draw its lines, blend it with the source, and round."""

    name, workers = "finish", 1

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(self, frame: Frame) -> Frame:
        source = frame.source
        done: Clip | StoredClip
        if frame.kept:
            done = as_wanted(source, self._plan.dtype, self._plan.stored)
        elif isinstance(source, StoredClip):
            done = self._stored(frame, source)
        else:
            pixels = self._pixels(frame, source.pixels)
            done = replace(source, pixels=pixels, alpha=alpha_like(source, pixels.dtype))
        return told(Frame(done, frame.number, frame.edges), self)

    def _pixels(self, frame: Frame, source: Tensor) -> Tensor:
        plan, painted, steadied = self._plan, frame.painted, frame.steadied
        if steadied is not None:
            flat, line = colour.to_rgb(steadied.luma, steadied.chroma, RGB_MATRIX), steadied.line
        else:
            assert painted is not None
            flat, line = painted[:3], painted[3] if len(painted) > 3 else None
        if plan.ink <= 0:
            line = None
        if plan.small != plan.size:
            assert frame.guide is not None
            stats, full = GuideStats(frame.guide), _grey(source)
            large = np.empty((3, *plan.size), np.float32)
            for plane, out, tint in zip(flat, large, TINT, strict=True):
                ink = LumaInk(line, plan.size, plan.ink, tint) if line is not None else None
                finish_plane(plane, stats, full, out, ink=ink)
            flat = large
        with torch.inference_mode():
            picture = torch.from_numpy(flat)[None]
            if line is not None and plan.small == plan.size:
                picture = compose(picture, torch.from_numpy(line)[None, None], plan.ink)
            if plan.blend < 1:
                picture = torch.lerp(to_float(source), picture, plan.blend)
            return to_pixels(picture, plan.dtype)

    def _stored(self, frame: Frame, source: StoredClip) -> StoredClip:
        plan, layout = self._plan, self._plan.stored
        assert layout is not None and frame.guide is not None
        planes = frame.steadied
        if planes is None:
            planes = planes_of(frame, plan)
        light, tint = colour.levels(layout.full_range)
        luma: colour.Plane = np.empty(source.luma.shape[1:], np.uint8)
        chroma: colour.Plane = np.empty(source.chroma.shape[1:], np.uint8)
        pens: tuple[Ink | None, ...] = (None, None, None)
        if planes.line is not None and plan.ink > 0:
            matrix = colour.MATRICES[layout.matrix]
            pen = LumaInk(planes.line, plan.size, plan.ink, mean_tint(matrix), light.scale, half=True)
            pens = pen, *ChromaInk.both(pen, matrix, tint.scale)
        if plan.small != plan.size:
            own = colour.levels(source.layout.full_range)[0]
            full = source.luma[0]
            finish_plane(planes.luma, GuideStats(frame.guide), full, luma, own, light, pens[0])
            small = (planes.chroma.shape[2], planes.chroma.shape[1])
            stats = GuideStats(cv2.resize(frame.guide, small, interpolation=cv2.INTER_AREA))
            full = cv2.resize(full, (chroma.shape[2], chroma.shape[1]), interpolation=cv2.INTER_AREA)
            for plane, out, drawn in zip(planes.chroma, chroma, pens[1:], strict=True):
                finish_plane(plane, stats, full, out, own, tint, drawn)
        else:
            put_plane(planes.luma, luma, light, pens[0])
            for plane, out, drawn in zip(planes.chroma, chroma, pens[1:], strict=True):
                put_plane(plane, out, tint, drawn)
        if plan.blend < 1:
            kept = with_layout(source, layout)
            cv2.addWeighted(luma, plan.blend, kept.luma[0], 1 - plan.blend, 0, dst=luma)
            for plane, out in zip(kept.chroma[0], chroma, strict=True):
                cv2.addWeighted(out, plan.blend, plane, 1 - plan.blend, 0, dst=out)
        return StoredClip(luma[None], chroma[None], layout, source.pts, source.durations)

    def state(self) -> object:
        return None

    def restore(self, state: None) -> None:
        """Nothing is remembered."""


def as_wanted(
    source: Clip | StoredClip, dtype: torch.dtype | None, stored: Layout | None
) -> Clip | StoredClip:
    """The source itself, with the numbers of the result."""
    if isinstance(source, StoredClip):
        return source if stored is None else with_layout(source, stored)
    if dtype is None or source.pixels.dtype == dtype:
        return source
    pixels = to_pixels(to_float(source.pixels), dtype)
    return replace(source, pixels=pixels, alpha=alpha_like(source, dtype))


def with_layout(clip: StoredClip, layout: Layout) -> StoredClip:
    """The same picture by another matrix or range."""
    if clip.layout == layout:
        return clip
    (light, tint), (new_light, new_tint) = (
        colour.levels(clip.layout.full_range),
        colour.levels(layout.full_range),
    )
    luma, chroma = np.empty(clip.luma.shape, np.uint8), np.empty(clip.chroma.shape, np.uint8)
    for index in range(len(clip)):
        values = colour.to_values(clip.luma[index], light)
        tints = np.stack([colour.to_values(plane, tint) for plane in clip.chroma[index]])
        rgb = colour.to_rgb(values, tints, colour.MATRICES[clip.layout.matrix]).clip(0, 1)
        values, tints = colour.to_planes(rgb, colour.MATRICES[layout.matrix])
        colour.to_bytes(values, new_light, luma[index])
        for plane, out in zip(tints, chroma[index], strict=True):
            colour.to_bytes(plane, new_tint, out)
    return StoredClip(luma, chroma, layout, clip.pts, clip.durations)


def _grey(pixels: Tensor) -> colour.Plane:
    """Luma of integer RGB, [1, 3, H, W], as float32 in [0, 1], [H, W]."""
    unit = 1 / np.iinfo(np.uint8 if pixels.dtype == torch.uint8 else np.uint16).max
    red, green, blue = pixels[0].numpy()
    part: colour.Plane = cv2.addWeighted(
        red, RGB_MATRIX.red * unit, green, RGB_MATRIX.green * unit, 0, dtype=cv2.CV_32F
    )
    grey: colour.Plane = cv2.addWeighted(part, 1, blue, RGB_MATRIX.blue * unit, 0, dtype=cv2.CV_32F)
    return grey
