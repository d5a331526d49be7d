"""`scenivid train pairs`: sample (real, anime) pairs, keep those whose segmentations agree, write a folder.

    out/real/0000012.png  out/anime/0000012.png      kept pairs (and dropped ones, with save_dropped)
    out/manifest.jsonl                               {"source", "target", "kept", "agreement", "classes"}
    out/calibration.json                             the threshold and what it was read from
    out/kept.jpg  out/dropped.jpg                    contact sheets

`scenivid train translator` takes the folder as it is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from scenivid.machine.devices import resolve_device
from scenivid.training.data.images import scan
from scenivid.training.pairs.diffusion import check_diffusers, missing_models
from scenivid.training.pairs.memory import RememberedPairs
from scenivid.training.pairs.program import PairsProgram
from scenivid.training.pairs.recipe import Recipe, needed_paths, open_source
from scenivid.training.pairs.segmenters import Segmenter, open_segmenter
from scenivid.training.pairs.segmenters import weights_of as segmenter_weights
from scenivid.training.pairs.selection import Calibration, calibrate
from scenivid.training.pairs.sources import FolderPairs, PairSource
from scenivid.training.planning.missing import Needed, ask_for, look_for, name_missing, naming_packages
from scenivid.training.recipe import RunSettings
from scenivid.training.run.loop import Progress, train
from scenivid.training.run.world import World, open_world

__all__ = ["Recipe", "run"]
logger = logging.getLogger(__name__)
MADE = ".made"
"""Folder, below the run's, of costly pairs that aren't judged yet."""


def run(
    recipe: Recipe,
    out: Path,
    *,
    minutes: float | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Make the pairs, or go on making them; returns `out`, the folder that holds them.

    Raises:
        CheckpointError, DependencyError: the source or the segmenter can't be had.
        DataError: not one pair was kept; or the folder holds none.
    """
    world = open_world() if not dry_run else World(resolve_device("auto"))
    device = world.device

    def segment() -> Segmenter | None:
        if recipe.segmenter == "none":
            return None
        return open_segmenter(recipe.segmenter, device, recipe.segmenter_weights)

    if dry_run:
        _plan(recipe, device)
        return out
    ask_for(weights_of(recipe))
    if recipe.pairs == "diffusers":
        check_diffusers(recipe.diffusion)
    source, segmenter = open_source(recipe, device), segment()
    if recipe.pairs == "diffusers":
        source = RememberedPairs(source, out / MADE)
    candidates = min(recipe.candidates, len(source)) if isinstance(source, FolderPairs) else recipe.candidates
    logger.info("%d candidates from %s, segmenter %s", candidates, source.name, recipe.segmenter)
    out.mkdir(parents=True, exist_ok=True)
    calibration = None
    if segmenter is not None:
        path = out / "calibration.json"
        if world.rank == 0:
            open_calibration(recipe, path, source, segmenter, candidates)
        world.wait()
        calibration = open_calibration(recipe, path, source, segmenter, candidates)
    program = PairsProgram(recipe, source, segmenter, calibration, out, candidates, world)
    settings = _settings(recipe.run, program.steps)
    outcome = train(program, recipe, out, settings, minutes=minutes, progress=progress, world=world)
    world.wait()
    if world.rank == 0:
        program.finish()
        if isinstance(source, RememberedPairs) and outcome.finished:
            source.forget()
    world.wait()
    return out


def weights_of(recipe: Recipe) -> list[Needed]:
    """Weights of others that the selection needs."""
    return segmenter_weights(recipe.segmenter, recipe.segmenter_weights)


def _plan(recipe: Recipe, device: torch.device) -> None:
    """What there is and what is missing; a diffusion model is never loaded for it."""
    if recipe.pairs == "diffusers":
        images = look_for("photographs", partial(scan, recipe.photo.photos), recipe.photo.photos)
        if images is not None:
            logger.info("%d photographs in %s", len(images), recipe.photo.photos)
        with naming_packages():
            for model in missing_models(recipe.diffusion):
                logger.warning("missing: %s would be downloaded from Hugging Face", model)
    else:
        found = look_for("source of pairs", partial(open_source, recipe, device), *needed_paths(recipe))
        if found is not None:
            found.pairs(0, 1)
    with naming_packages():
        name_missing(weights_of(recipe))
    logger.info("%d candidates of %s, segmenter %s", recipe.candidates, recipe.pairs, recipe.segmenter)


def open_calibration(
    recipe: Recipe, path: Path, source: PairSource, segmenter: Segmenter, candidates: int
) -> Calibration:
    """The calibration that `path` holds, or a new one on the first pairs, written there."""
    if path.exists():
        return Calibration(**json.loads(path.read_text(encoding="utf-8")))
    count, chunk = min(recipe.selection.calibration_pairs, candidates), recipe.batch
    parts = [source.pairs(i, min(chunk, count - i)) for i in range(0, count, chunk)]
    real, anime = (torch.cat([part[side] for part in parts]) for side in (0, 1))
    calibration = calibrate(segmenter, real, anime, recipe.selection, chunk)
    logger.info(
        "agreement: matched %.3f, mismatched %.3f, separation %.3f; threshold %.3f keeps %.0f %% and %.0f %%",
        calibration.matched_mean, calibration.mismatched_mean, calibration.separation,
        calibration.threshold, 100 * calibration.matched_kept, 100 * calibration.mismatched_kept,
    )  # fmt: skip
    path.write_text(json.dumps(asdict(calibration), indent=2) + "\n", encoding="utf-8")
    return calibration


def _settings(run: RunSettings, steps: int) -> RunSettings:
    return RunSettings(steps, run.seed, run.checkpoint_minutes, run.log_every, 0, run.tensorboard)
