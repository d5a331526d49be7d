"""What only suites measure: ghosts behind what moved, and an output against the result without noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from scenivid.evaluation.fidelity import fine_energy, psnr
from scenivid.evaluation.lockstep import Window, open_together
from suite.synthetic import Scene

_TRAIL = 6
"""Frames after which an uncovered place no longer counts as new."""


@dataclass(frozen=True)
class Clean:
    """An output against what the network paints without noise, frame by frame."""

    psnr_db: float
    energy: float
    """Root of the ratio of high-frequency energies."""
    per_frame_psnr_db: float
    """The noisy per-frame result's."""


def ghost(scene: Scene | None, output: Path, per_frame: Path) -> float | None:
    """|output − per-frame| where something was uncovered within six frames, over that elsewhere.

    None for clips that weren't rendered with a disc in front.
    """
    if scene is None or scene.walker is None:
        return None
    sums = torch.zeros(2, 2, dtype=torch.float64)
    with open_together([per_frame, output], Window()) as together:
        for moment in together:
            t = moment.index
            if t < _TRAIL:
                continue
            new = torch.stack([scene.hidden(t, t - k) for k in range(1, _TRAIL + 1)]).any(dim=0)[0, 0]
            off = (moment.frames[1] - moment.frames[0]).abs().mean(dim=0)
            for row, mask in enumerate((new, ~new)):
                sums[row] += torch.tensor([float(off[mask].sum()), float(mask.sum())])
    (new_sum, new_count), (rest_sum, rest_count) = sums.tolist()
    if not new_count or not rest_sum:
        return None
    return float((new_sum / new_count) / (rest_sum / rest_count))


def against(clean: Path, output: Path, per_frame: Path) -> Clean:
    """Means over all but the first `_TRAIL` frames, which have no past to be steadied by."""
    sums = torch.zeros(3, dtype=torch.float64)
    count = 0
    with open_together([clean, output, per_frame], Window()) as together:
        for moment in together:
            if moment.index < _TRAIL:
                continue
            frames, count = moment.frames, count + 1
            near = psnr(frames[1:], frames[:1].expand(2, -1, -1, -1))
            energy = fine_energy(frames[:2])
            sums += torch.stack([near[0], near[1], (energy[1] / energy[0].clamp(min=1e-9)).sqrt()]).double()
    mean = (sums / max(1, count)).tolist()
    return Clean(psnr_db=mean[0], energy=mean[2], per_frame_psnr_db=mean[1])
