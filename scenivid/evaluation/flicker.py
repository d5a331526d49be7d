"""Flicker of a whole video, measured on files, frame by frame in bounded memory.

Definitions and sources stand at each metric; the flow is always that of the source video.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from scenivid.errors import ConfigError, DataError
from scenivid.evaluation.lockstep import Window, open_together
from scenivid.evaluation.networks import Networks, embed, load_networks
from scenivid.evaluation.results import FlickerReport
from scenivid.evaluation.summary import summarise
from scenivid.evaluation.tally import APART, FlowBetween, Shown, Tally
from scenivid.evaluation.warping import e_warp, e_warp_curve, motion_of
from scenivid.flow.estimators import open_estimator
from scenivid.machine.devices import resolve_device
from scenivid.temporal.cuts import CutDetector

__all__ = ["FlickerSettings", "e_warp", "e_warp_curve", "evaluate_flicker", "motion_of"]

_SMALLEST = 32  # pixels; DIS and SSIM need no less


@dataclass(frozen=True)
class FlickerSettings:
    """How flicker is measured."""

    flow: str = "dis"
    """'dis', 'raft-small', 'raft-large' or 'auto'."""
    flow_weights: Path | None = None
    device: str = "auto"
    start: Fraction | None = None
    """Where the source begins, in seconds, as given to stylize; the others are read from their beginning."""
    duration: Fraction | None = None
    max_frames: int | None = None
    long_side: int | None = None
    """Shrink larger frames to this before measuring; None measures every pixel."""
    perceptual: bool = True
    """LPIPS, CLIP and DINO where their weights are available."""
    download: bool = True
    """Fetch published weights that are not cached yet."""


def evaluate_flicker(
    source: Path | str,
    styled: Path | str,
    per_frame: Path | str | None = None,
    settings: FlickerSettings | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    exact: Callable[[int, int], Tensor] | None = None,
) -> FlickerReport:
    """Measure the flicker of `styled`, made from `source`; `per_frame` is the result without coherence.

    Each is a video file or a folder of frames.

    Args:
        progress: gets frames done and frames expected.
        exact: true flow from frame i to frame j of the source, [1, 2, H, W] in pixels, where it is known
            (a rendered clip); used in place of `settings.flow`.

    Raises:
        InputError: a video can't be read.
        DataError: the videos differ in size or number of frames, or are too small or short to measure.
        ConfigError: no such flow or device.
        CheckpointError: the flow's weights can't be had.
    """
    settings = settings or FlickerSettings()
    began = time.perf_counter()
    device = resolve_device(settings.device)
    name, flow = ("exact", _exactly(exact)) if exact else _estimated(settings, device)
    networks = load_networks(device, settings.download) if settings.perceptual else Networks()
    source, styled = Path(source), Path(styled)
    per_frame = None if per_frame is None else Path(per_frame)
    videos = [source, styled] if per_frame is None else [source, per_frame, styled]
    names = ("source", "output") if per_frame is None else ("source", "per_frame", "output")
    window = Window(settings.start, settings.duration, settings.max_frames, settings.long_side)
    tally, detector = Tally(names), CutDetector()
    last: Shown | None = None
    shot: deque[Shown] = deque(maxlen=APART)
    with open_together(videos, window) as together:
        height, width = together.size
        if min(height, width) < _SMALLEST:
            raise DataError(
                f"frames of {width}×{height} are too small to measure: {_SMALLEST}×{_SMALLEST} at least"
            )
        for moment in together:
            frames = moment.frames.to(device)
            cut = detector.cuts(moment.original)[0]
            tally.add_frame(frames, networks)
            embedded = embed(networks, frames)
            if last is None or cut:
                shot.clear()
                now = Shown(frames, embedded, moment.index)
            else:
                now = Shown(frames, embedded, moment.index, opening=last.first)
                long_before = shot[0] if len(shot) == APART else None
                tally.add_pair(last, now, flow, networks, long_before)
            if last is not None and cut:
                tally.add_gap()
            last = now
            shot.append(now)
            if progress is not None:
                progress(moment.index + 1, together.expected)
    if tally.frames < 2:
        raise DataError(f"{styled} shows one frame: flicker needs two at least")
    return summarise(
        tally,
        networks,
        paths=(source, styled, per_frame),
        size=(height, width),
        flow=name,
        window=window,
        seconds=time.perf_counter() - began,
    )


def _estimated(settings: FlickerSettings, device: torch.device) -> tuple[str, FlowBetween]:
    estimator = open_estimator(settings.flow, device, settings.flow_weights)
    if estimator is None:
        raise ConfigError("flicker is measured along a flow: choose dis, raft-small, raft-large or auto")
    return estimator.name, lambda one, other: estimator(one.frames[:1], other.frames[:1])


def _exactly(exact: Callable[[int, int], Tensor]) -> FlowBetween:
    return lambda one, other: exact(one.index, other.index).to(one.frames)
