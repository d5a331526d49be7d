"""Flicker as published networks see it: LPIPS between frames (tLP), CLIP and DINO consistency."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from scenivid.errors import CheckpointError, DependencyError
from scenivid.perception.features import Distance, Features, load_clip, load_dino, load_lpips

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Networks:
    """What could be loaded here; None where weights or package are missing."""

    lpips: Distance | None = None
    clip: Features | None = None
    dino: Features | None = None


def load_networks(device: torch.device, download: bool = True) -> Networks:
    """Load each network whose published weights are cached or can be fetched; log what is missing."""
    networks = Networks(
        lpips=try_load(load_lpips, device, download),
        clip=try_load(load_clip, device, download),
        dino=try_load(load_dino, device, download),
    )
    missing = [name.upper() for name, network in vars(networks).items() if network is None]
    if missing:
        _log.info("not measured for want of published weights: %s (more with --verbose)", ", ".join(missing))
    return networks


@dataclass(frozen=True, eq=False)
class Embedded:
    """Features of one moment's frames, [V, D] each."""

    clip: Tensor | None
    dino: Tensor | None


def embed(networks: Networks, frames: Tensor) -> Embedded:
    """Features of `frames`, [V, 3, H, W] in [0, 1], from the networks that are there."""
    return Embedded(
        clip=networks.clip(frames) if networks.clip else None,
        dino=networks.dino(frames) if networks.dino else None,
    )


def consistency(now: Tensor, before: Tensor, first: Tensor) -> Tensor:
    """½(cos(now, before) + cos(now, first)) of unit vectors, negative cosines as 0 (VBench); [V]."""
    return ((now * before).sum(1).clamp(min=0) + (now * first).sum(1).clamp(min=0)) / 2


def try_load(load: Callable[[torch.device, bool], _T], device: torch.device, download: bool) -> _T | None:
    """What `load` gives, or None where weights or package are missing; --verbose says which file to get."""
    try:
        return load(device, download)
    except (CheckpointError, DependencyError) as error:
        _log.debug("%s", error)
        return None
