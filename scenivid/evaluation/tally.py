"""Running sums over a video: what one frame and one pair of frames add to each metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.evaluation.fidelity import Gradients, fine_energy, gradients, psnr, sharpness, ssim_luma
from scenivid.evaluation.networks import Embedded, Networks, consistency
from scenivid.evaluation.warping import masked_error, pair_flow, warp_error
from scenivid.flow.farneback import farneback

HEAT_GRID = (18, 32)
"""Rows and columns of the map of where it flickers."""
APART = 8
"""Frames between the two of e_warp_8: what neighbours hide, slow boiling and drift, shows here."""
PAIR_METRICS = ("e_warp", "e_warp_8", "near", "far", "tof", "change", "lpips", "clip", "dino")
"""e_warp_8: as e_warp, of (t, t−8); near, far: L1 error of (t, t−1) and (t, first); change, lpips: between
neighbours."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One instant of every video, and what its successors compare it with."""

    frames: Tensor
    """[V, 3, H, W] in [0, 1]; the first is the source, the last the output."""
    embedded: Embedded
    index: int
    """Frame number."""
    opening: Shown | None = None
    """The first instant of the shot; None where this is it."""

    @property
    def first(self) -> Shown:
        """The first instant of the shot."""
        return self.opening or self


FlowBetween = Callable[[Shown, Shown], Tensor]
"""Flow of the source from one instant to another, [1, 2, H, W] in pixels."""


@dataclass
class Tally:
    """Grows by one number a pair and metric; everything else is a sum."""

    names: tuple[str, ...]
    """'source', maybe 'per_frame', 'output'."""
    curves: dict[str, dict[str, list[float | None]]] = field(init=False)
    frames: int = 0
    visible: list[float] = field(default_factory=list)
    sharpness: Tensor = field(init=False)
    """Σ over frames of each video's mean absolute gradient, [V]."""
    energy: Tensor = field(init=False)
    """Σ over frames of each video's high-frequency energy, [V]."""
    gradients: dict[str, Gradients] = field(init=False)
    ssim: Tensor = field(init=False)
    """Σ SSIM of luma to the source, [V]."""
    psnr: float = 0.0
    """Σ PSNR of the output to the per-frame result."""
    lpips: float = 0.0
    """Σ LPIPS of the output to the per-frame result."""
    colour: float = 0.0
    """Σ mean |difference of mean colour| between the output and the per-frame result."""
    heat: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.curves = {metric: {name: [] for name in self.names} for metric in PAIR_METRICS}
        self.sharpness = torch.zeros(len(self.names), dtype=torch.float64)
        self.energy = torch.zeros(len(self.names), dtype=torch.float64)
        self.ssim = torch.zeros(len(self.names), dtype=torch.float64)
        self.gradients = {name: Gradients() for name in self.names}
        self.heat = torch.zeros(HEAT_GRID, dtype=torch.float64)

    def add_frame(self, frames: Tensor, networks: Networks) -> None:
        """The guards, which look at one instant: [V, 3, H, W]."""
        self.frames += 1
        source = frames[:1]
        self.sharpness += sharpness(frames).double().cpu()
        self.energy += fine_energy(frames).double().cpu()
        self.ssim[0] += 1
        self.ssim[1:] += ssim_luma(source, frames[1:]).double().cpu()
        for name, sums in zip(self.names, gradients(frames), strict=True):
            self.gradients[name] += sums
        if "per_frame" in self.names:
            reference, output = frames[1:2], frames[-1:]
            self.psnr += float(psnr(output, reference))
            self.colour += float((output.mean(dim=(2, 3)) - reference.mean(dim=(2, 3))).abs().mean())
            if networks.lpips:
                self.lpips += float(networks.lpips(output, reference))

    def add_pair(
        self,
        before: Shown,
        now: Shown,
        flow: FlowBetween,
        networks: Networks,
        long_before: Shown | None = None,
    ) -> None:
        """What two neighbours of one shot show, and the frame `APART` frames before, where there is one."""
        onward, back = flow(before, now), flow(now, before)
        lai, near = pair_flow(onward, back), pair_flow(back, onward)
        self.visible.append(lai.share)
        error = masked_error(before.frames, now.frames, lai)
        self._extend("e_warp", error.mean)
        self.heat += F.adaptive_avg_pool2d(error.map[1], HEAT_GRID)[0].double().cpu()

        apart = None
        if long_before is not None:
            onward, back = flow(long_before, now), flow(now, long_before)
            apart = warp_error(long_before.frames, now.frames, pair_flow(onward, back))
        self._extend("e_warp_8", apart)

        l1 = warp_error(now.frames, before.frames, near, norm="absolute")
        self._extend("near", l1)
        if now.first is not before:
            far = pair_flow(flow(now, now.first), flow(now.first, now))
            l1 = warp_error(now.frames, now.first.frames, far, norm="absolute")
        self._extend("far", l1)

        motion = farneback(before.frames, now.frames)
        self._extend("tof", (motion - motion[:1]).square().sum(dim=1).sqrt().mean(dim=(1, 2)))
        self._extend("change", (now.frames - before.frames).abs().mean(dim=(1, 2, 3)))
        self._extend("lpips", networks.lpips(before.frames, now.frames) if networks.lpips else None)
        for metric in ("clip", "dino"):
            vectors = [getattr(shown.embedded, metric) for shown in (now, before, now.first)]
            self._extend(metric, None if vectors[0] is None else consistency(*vectors))

    def add_gap(self) -> None:
        """A cut: neighbours that have nothing to do with each other."""
        for metric in PAIR_METRICS:
            self._extend(metric, None)

    def _extend(self, metric: str, values: Tensor | None) -> None:
        plain: Sequence[float | None] = [None] * len(self.names) if values is None else values.tolist()
        for name, value in zip(self.names, plain, strict=True):
            self.curves[metric][name].append(value)
