"""`scenivid train flow`: torchvision's raft_small on synthetic layered motion over open photographs.

RAFT is Teed & Deng 2020; the sequence loss is theirs, weighted so that small motion counts as much
as large: what a video shows from frame to frame is mostly a few pixels.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset, get_worker_info
from torchvision.models.optical_flow import raft_small
from torchvision.utils import flow_to_image

from scenivid.errors import CheckpointError, DataError
from scenivid.machine.devices import resolve_device
from scenivid.nets.checkpoint import ModelCard, write_tensors
from scenivid.training.data.images import decode, scan
from scenivid.training.data.motion import MotionRecipe, motion_pair
from scenivid.training.data.samples import Stream
from scenivid.training.recipe import RunSettings, harmless
from scenivid.training.run.checkpoint import CHECKPOINT, read_checkpoint
from scenivid.training.run.ema import update_ema
from scenivid.training.run.log import grid
from scenivid.training.run.loop import Progress, train
from scenivid.training.run.program import Stateful
from scenivid.training.run.schedule import set_learning_rate, warmup_then_cosine
from scenivid.training.run.speed import Mixed, Precision, compiled
from scenivid.training.run.world import World, open_world
from scenivid.weights.torch_file import read_state

logger = logging.getLogger(__name__)
_CLIP = 1.0
"""Longest gradient."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one flow training."""

    program: Literal["flow"] = "flow"
    run: RunSettings = RunSettings()
    photos: Path = Path("data/open/photos")
    """Folder of photographs, searched at any depth."""
    motion: MotionRecipe = MotionRecipe()
    start: Path | None = None
    """A torchvision raft_small state dict to start from, .pt or .safetensors; none = from scratch."""
    batch: int = 6
    updates: int = 6
    """RAFT's iterations a step."""
    gamma: float = 0.8
    """Weight of each iteration relative to the next one."""
    learning_rate: float = 4e-4
    warmup: int = 100
    """Steps of linear warm-up before the cosine decay."""
    weight_decay: float = 1e-5
    ema: float = 0.999
    """Decay of the averaged network that is kept."""
    precision: Precision = "bf16"
    compile: bool = harmless(False)
    """Let torch.compile make a program of the network."""
    workers: int = harmless(1)


def run(
    recipe: Recipe,
    out: Path,
    *,
    minutes: float | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train, or go on training, and write `out`/raft_small.safetensors (fp16, EMA weights).

    Raises:
        DataError: no usable photographs.
        CheckpointError: `recipe.start` doesn't fit raft_small.
    """
    images = load_photos(recipe.photos, recipe.motion)
    world = open_world()
    program = FlowProgram(replace(recipe, workers=0) if dry_run else recipe, images, world)
    parameters = sum(parameter.numel() for parameter in program.net.parameters())
    logger.info(
        "raft_small: %s parameters, %d photographs, %d steps",
        f"{parameters:,}",
        len(images),
        recipe.run.steps,
    )
    weights = out / "raft_small.safetensors"
    if dry_run:
        program.batch(0)
        return weights
    outcome = train(program, recipe, out, recipe.run, minutes=minutes, progress=progress, world=world)
    if world.rank == 0:
        export(program.ema, weights, steps=outcome.step, recipe=recipe)
    return weights


def export(net: nn.Module, path: Path, steps: int, recipe: Recipe) -> None:
    """Write raft_small's weights as fp16 safetensors with a model card in the header."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in net.state_dict().items()
    }
    card = ModelCard(
        name="raft-small",
        architecture="raft_small",
        description="Optical flow: torchvision's raft_small, trained on synthetic layered motion.",
        licence="Apache-2.0",
        recipe=f"scenivid train flow, {steps} steps of {recipe.batch} pairs of {recipe.motion.width}x"
        f"{recipe.motion.height}, {recipe.updates} updates"
        + (f", begun from {recipe.start.name}" if recipe.start else ""),
    )
    write_tensors(path, tensors, card)


def export_checkpoint(folder: Path, path: Path, recipe: Recipe) -> None:
    """Write the EMA weights of a run's checkpoint, while it trains or after."""
    held = read_checkpoint(folder / CHECKPOINT)
    net = raft_small(weights=None)
    net.load_state_dict(held["state"]["ema"])
    export(net, path, held["step"], recipe)


class FlowProgram:
    """raft_small, its optimiser and its average, as the training loop wants them."""

    def __init__(
        self, recipe: Recipe, images: Sequence[NDArray[np.uint8]], world: World | None = None
    ) -> None:
        self.recipe, self.world = recipe, world or World(resolve_device("auto"))
        torch.manual_seed(recipe.run.seed)
        self.device = self.world.device
        self.mixed = Mixed(self.device, recipe.precision)
        self.net = raft_small(weights=None)
        if recipe.start is not None:
            _load_start(self.net, recipe.start)
        self.net.to(self.device, memory_format=torch.channels_last).train()
        self.ema = copy.deepcopy(self.net).requires_grad_(False)
        compiled(self.net, recipe.compile)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=self.device.type == "cuda" or None,
        )
        self._scenes = _Scenes(list(images), recipe.motion, recipe.run.seed)
        self._stream = Stream(
            {"scene": self._scenes}, recipe.batch, recipe.workers, self.world.rank, self.world.size
        )

    def state(self) -> Mapping[str, Stateful]:
        """Weights, average and optimiser."""
        return {"net": self.net, "ema": self.ema, "optimizer": self.optimizer, **self.mixed.state()}

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        """One optimiser step; reports loss, end-point error and the error of zero flow, in pixels."""
        recipe = self.recipe
        rate = recipe.learning_rate * warmup_then_cosine(index, recipe.run.steps, recipe.warmup, floor=0.01)
        set_learning_rate(self.optimizer, rate)
        first, second, flow = (part.to(self.device, non_blocking=True) for part in self.batch(index))
        with self.mixed.cast():
            estimates = self.net(first * 2 - 1, second * 2 - 1, num_flow_updates=recipe.updates)
        loss = sequence_loss([estimate.float() for estimate in estimates], flow, recipe.gamma)
        self.optimizer.zero_grad(set_to_none=True)
        self.mixed.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.mixed.step(self.optimizer, _CLIP, self.world.average_gradients)
        self.mixed.update()
        update_ema(self.ema, self.net, min(recipe.ema, (1 + index) / (10 + index)))
        error = (estimates[-1].detach().float() - flow).norm(dim=1).mean()
        told = {"loss": loss.detach(), "epe": error, "epe_zero": flow.norm(dim=1).mean()}
        return self.world.joint(told) | {"learning_rate": rate}

    def batch(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Batch `index`: two frames [N, 3, H, W] in [0, 1] and the flow [N, 2, H, W] in pixels."""
        first, second, flow = self._stream.batch(index)["scene"]
        return first, second, flow

    def samples(self) -> Tensor | None:
        """Rows of frame 1, true flow, estimated flow."""
        held_out = _Scenes(self._scenes.images, self.recipe.motion, seed=-1 - self.recipe.run.seed)
        first, second, flow = (
            torch.stack(part) for part in zip(*(held_out[i] for i in range(4)), strict=True)
        )
        self.ema.eval()
        with torch.no_grad():
            estimate = self.ema(
                (first * 2 - 1).to(self.device), (second * 2 - 1).to(self.device), num_flow_updates=12
            )[-1].cpu()
        return grid([first, flow_to_image(flow) / 255, flow_to_image(estimate) / 255])


def sequence_loss(estimates: Sequence[Tensor], flow: Tensor, gamma: float) -> Tensor:
    """Σ_k γ^(K−1−k) · mean over samples of L1_k / (1 + 0.3·|flow|), RAFT's equation 7 made scale-aware.

    Args:
        estimates: K tensors [N, 2, H, W], pixels, from the first iteration to the last.
        flow: [N, 2, H, W], pixels.
    """
    weight = 1 / (1 + 0.3 * flow.norm(dim=1).mean((1, 2)))
    last = len(estimates) - 1
    total = flow.new_zeros(())
    for k, estimate in enumerate(estimates):
        total = total + gamma ** (last - k) * ((estimate - flow).abs().mean((1, 2, 3)) * weight).mean()
    return total


def load_photos(folder: Path, motion: MotionRecipe) -> list[NDArray[np.uint8]]:
    """All photographs below `folder` that are large enough, reduced to about 720 pixels wide.

    Raises:
        DataError: there are none.
    """
    images = []
    for entry in scan(folder, motion.height):
        try:
            image = np.asarray(decode(entry))
        except DataError as exc:
            logger.warning("skipped: %s", exc)
            continue
        scale = 720 / max(image.shape[:2])
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        images.append(np.ascontiguousarray(image, np.uint8))
    if not images:
        raise DataError(
            f"{folder} holds no usable image: give photographs at least {motion.height} pixels high"
        )
    return images


class _Scenes(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Scene i is a function of (seed, i): order, workers and resuming don't matter."""

    def __init__(self, images: list[NDArray[np.uint8]], motion: MotionRecipe, seed: int) -> None:
        self.images, self.motion, self.seed = images, motion, seed

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        if get_worker_info() is not None:
            cv2.setNumThreads(1)
        pair = motion_pair(self.images, self.motion, np.random.default_rng((self.seed % 2**32, index)))
        first, second, flow = (
            torch.from_numpy(part).permute(2, 0, 1) for part in (pair.first, pair.second, pair.flow)
        )
        return first, second, flow


def _load_start(net: nn.Module, path: Path) -> None:
    try:
        net.load_state_dict(read_state(path))
    except RuntimeError as exc:
        raise CheckpointError(f"start: {path} is not a torchvision raft_small state dict ({exc})") from exc
