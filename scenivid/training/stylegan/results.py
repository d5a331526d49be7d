"""What a StyleGAN2's training leaves: the networks in the published layout, and samples to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scenivid.errors import Cancelled
from scenivid.machine.aside import whole
from scenivid.nets.stylegan2 import Generator, mean_style
from scenivid.training.run.loop import Progress, train
from scenivid.training.run.program import Program
from scenivid.training.run.random_state import generator
from scenivid.training.stylegan.gan import Gan

NETWORKS = "stylegan2.pt"
"""What a run leaves in its folder besides the checkpoint: the networks in the published layout."""
_AT_ONCE = 8
"""Samples that are made together: what is looked at now and then shall not need more memory than a step."""


def train_and_save(
    program: Program,
    gan: Gan,
    recipe: Any,
    out: Path,
    minutes: float | None,
    progress: Callable[[Progress], None] | None,
) -> Path:
    """`loop.train`, then write `out`/stylegan2.pt, also when time is up or the user stops it."""
    path = out / NETWORKS
    try:
        train(program, recipe, out, recipe.run, minutes=minutes, progress=progress, world=gan.world)
    except Cancelled:
        if gan.world.rank == 0:
            save_networks(gan, path)
        raise
    if gan.world.rank == 0:
        save_networks(gan, path)
    return path


def save_networks(gan: Gan, path: Path) -> None:
    """Write g, g_ema, d and the mean style as a file of the published layout; whole or not at all."""
    content = {"g": gan.g, "g_ema": gan.ema, "d": gan.d}
    states: dict[str, object] = {
        name: {key: value.cpu() for key, value in net.state_dict().items()} for name, net in content.items()
    }
    states["latent_avg"] = mean_style(gan.ema, rng=generator(gan.seed, 4))[0].cpu()
    with whole(path) as part:
        torch.save(states, part)


@torch.no_grad()
def sample(g: Generator, seed: int, first: int, count: int, psi: float = 1.0) -> Tensor:
    """Images `first` … of an endless row, [count, 3, H, W] in [0, 1]; each depends on (seed, its number).

    The noise is the stored one, so that pictures of two moments of a training can be compared.
    """
    device = g.input.input.device
    z = torch.stack(
        [torch.randn(g.params.style_dim, generator=generator(seed, 5, first + i)) for i in range(count)]
    )
    w: Tensor = g.style(z.to(device))
    if psi != 1.0:
        mean = mean_style(g, rng=generator(seed, 6))
        w = mean + psi * (w - mean)
    noise = g.fixed_noise()
    parts: list[Tensor] = [g(some, noise) for some in torch.split(w, _AT_ONCE)]
    return (torch.cat(parts) / 2 + 0.5).clamp(0, 1)
