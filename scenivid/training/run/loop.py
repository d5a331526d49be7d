"""The one training loop: resume, atomic checkpoints, logs, sample grids, time budget, graceful stop.

A program keeps its networks and optimisers and says how to take a step; the loop does the rest:

    class Toy:
        def __init__(self) -> None:
            self.net = torch.nn.Linear(2, 1)
            self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-2)
            self.ema = copy.deepcopy(self.net).requires_grad_(False)

        def state(self):                     # everything that must survive, by name
            return {"net": self.net, "optimizer": self.optimizer, "ema": self.ema}

        def step(self, index):               # index counts from 0 and over resumes
            x = torch.rand(8, 2, generator=generator(SEED, index))
            loss = (self.net(x) - x.sum(1, keepdim=True)).square().mean()
            self.optimizer.zero_grad(); loss.backward(); self.optimizer.step()
            update_ema(self.ema, self.net, decay=0.999)
            return {"loss": loss.detach()}

        def samples(self):                   # [3, H, W] in [0, 1], or None
            return None

    outcome = train(Toy(), recipe, Path("runs/toy"), recipe.run, minutes=5)

Calling `train` again with the same folder goes on where the last checkpoint stopped. The result is the
same, bit for bit on the CPU, as if it had never stopped, provided that `step(index)` draws its data as a
function of (seed, index): `data.Stream` and `random_state.generator` do. Global RNG states (torch, CUDA,
numpy, python) are saved as well, so modules may use them (dropout, noise).
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from scenivid.errors import Cancelled, DivergedError
from scenivid.training.recipe import RunSettings
from scenivid.training.run.checkpoint import CHECKPOINT, resume, save_checkpoint
from scenivid.training.run.interrupt import stop_requests
from scenivid.training.run.keeping import Keeper
from scenivid.training.run.log import RunLog
from scenivid.training.run.program import Program
from scenivid.training.run.random_state import rng_state, seed_all, set_rng_state
from scenivid.training.run.record import to_toml
from scenivid.training.run.speed import tune
from scenivid.training.run.watchdog import Sign, Watchdog
from scenivid.training.run.world import World

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Told to the caller after every step."""

    step: int
    steps: int
    losses: Mapping[str, float]
    """Means of the last logged interval; empty before the first."""
    rate: float
    """Steps per second since this process began."""
    eta_seconds: float


@dataclass(frozen=True)
class Outcome:
    """How `train` ended."""

    step: int
    finished: bool
    """Whether all steps were done before the time ran out."""


def train(
    program: Program,
    recipe: Any,
    out: Path,
    run: RunSettings,
    *,
    minutes: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    world: World | None = None,
    signs: Sequence[Sign] = (),
    export: Callable[[int], None] | None = None,
) -> Outcome:
    """Run `program` up to `run.steps`, or until `minutes` are over; resume what `out` holds.

    Writes recipe.toml, checkpoint.pt, log.jsonl, tensorboard/ and samples/ into `out`.

    Args:
        signs: what a collapsed run looks like; while one is bad no checkpoint is written.
        export: called on rank 0 with the step, however the run ends, unless it has collapsed.

    Raises:
        ConfigError: `out` holds a run of a different recipe (the message says what differs).
        DivergedError: a loss is no longer finite, or a sign stayed bad; the last checkpoint that had proved
            sound is kept, see `keeping`.
        CheckpointError: the checkpoint is damaged or of another program.
        Cancelled: Ctrl-C or SIGTERM; saved first. A second Ctrl-C doesn't wait for the step to end.
    """
    world = world or World()
    began = time.monotonic()
    seed_all(run.seed + 7919 * world.rank)
    out.mkdir(parents=True, exist_ok=True)
    tune(world.device)
    keeper = Keeper(out / CHECKPOINT, cautious=bool(signs) and world.rank == 0)
    first = resume(program, recipe, out, world)
    writes = world.rank == 0
    if writes:
        (out / "recipe.toml").write_text(to_toml(recipe), encoding="utf-8")
    means, sums, counts = {}, {}, Counter()  # type: dict[str, float], dict[str, Tensor | float], Counter[str]
    saved, watchdog, healthy = began, Watchdog(signs), True
    with stop_requests() as asked, _log(out, first, run, writes) as log:
        for index in range(first, run.steps):
            for name, value in program.step(index).items():
                value = value.detach().float() if isinstance(value, Tensor) else value
                sums[name] = sums[name] + value if name in sums else value
                counts[name] += 1
            step = index + 1
            now = time.monotonic()
            last = step == run.steps
            over = minutes is not None and now - began >= 60 * minutes
            stop = last or (step % world.every == 0 and world.any(over or bool(asked)))
            save = last or stop or now - saved >= 60 * run.checkpoint_minutes
            if last or stop or save or step % run.log_every == 0:
                try:
                    means, sums, counts = _means(sums, counts, step), {}, Counter()
                    if log is not None:
                        log.scalars(step, means | {"rate": (step - first) / (now - began)})
                    healthy = watchdog.healthy(step, means, last)
                except DivergedError:
                    if writes:
                        keeper.collapsed()
                    raise
                if healthy:
                    keeper.healthy()
            if log is not None and run.sample_every and (stop or step % run.sample_every == 0):
                _save_samples(program, log, step)
            if writes and save and healthy and (stop or keeper.due):
                keeper.save(partial(save_checkpoint, program, recipe, step))
                saved = time.monotonic()
            if writes and last:
                keeper.finished()
            if progress is not None:
                rate = (step - first) / (time.monotonic() - began)
                eta = (run.steps - step) / rate
                if minutes is not None:
                    eta = min(eta, max(60 * minutes - (time.monotonic() - began), 0.0))
                progress(Progress(step, run.steps, means, rate, eta))
            if stop and writes and healthy and export is not None:
                export(step)
            if stop and not last:
                if asked:
                    raise Cancelled(
                        f"stopped at step {step} of {run.steps}; the same command goes on from there",
                        status=128 + asked[0],
                    )
                return Outcome(step, finished=False)
    if first >= run.steps and writes and export is not None:
        export(first)
    return Outcome(max(first, run.steps), finished=True)


def _means(sums: Mapping[str, Tensor | float], counts: Mapping[str, int], step: int) -> dict[str, float]:
    means = {name: float(total) / counts[name] for name, total in sums.items()}
    broken = [name for name, value in means.items() if not math.isfinite(value)]
    if broken:
        raise DivergedError(
            f"{', '.join(broken)} stopped being finite before step {step}; "
            "lower the learning rate or the loss weight (the last checkpoint is still good)"
        )
    logger.info("step %d: %s", step, ", ".join(f"{name} {value:.4g}" for name, value in means.items()))
    return means


def _save_samples(program: Program, log: RunLog, step: int) -> None:
    before = rng_state()
    sheet = program.samples()
    set_rng_state(before)
    if sheet is not None:
        log.samples(step, sheet)


@contextmanager
def _log(out: Path, first: int, run: RunSettings, writes: bool) -> Iterator[RunLog | None]:
    if not writes:
        yield None
        return
    with RunLog(out, first, run.tensorboard) as log:
        yield log
