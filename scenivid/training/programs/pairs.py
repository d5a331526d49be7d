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
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import torch
from torch import Tensor

from scenivid.aside import whole
from scenivid.devices import resolve_device
from scenivid.errors import DataError
from scenivid.pixels import to_pixels
from scenivid.training.data.images import scan
from scenivid.training.pairs.diffusion import blank, check_diffusers, missing_models
from scenivid.training.pairs.memory import RememberedPairs
from scenivid.training.pairs.recipe import Recipe, needed_paths, open_source
from scenivid.training.pairs.segmenters import Segmenter, open_segmenter
from scenivid.training.pairs.segmenters import weights_of as segmenter_weights
from scenivid.training.pairs.selection import Calibration, calibrate, passes, score_pairs
from scenivid.training.pairs.sources import FolderPairs, PairSource
from scenivid.training.planning.missing import Needed, ask_for, look_for, name_missing, naming_packages
from scenivid.training.recipe import RunSettings
from scenivid.training.run.log import grid, save_png
from scenivid.training.run.loop import Progress, train
from scenivid.training.run.program import Stateful
from scenivid.training.run.random_state import generator
from scenivid.training.run.world import World, open_world

__all__ = ["Recipe", "run"]
logger = logging.getLogger(__name__)
_SHEET = 32
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


class _Count:
    """How many processes divide the candidates: what is done of them isn't divided again."""

    def __init__(self, size: int) -> None:
        self.size = size

    def state_dict(self) -> dict[str, int]:
        return {"count": self.size}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        if state["count"] != self.size:
            raise ValueError(f"begun by {state['count']} processes, now {self.size}: start as many again")


class PairsProgram:
    """Step i of process r of R makes, scores and writes pairs (i·R + r)·batch …; the loop gives the rest.

    Several processes write lines of their own, which `finish` joins; on several machines, into a folder that
    all of them see.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: PairSource,
        segmenter: Segmenter | None,
        calibration: Calibration | None,
        out: Path,
        candidates: int,
        world: World | None = None,
    ) -> None:
        self.world = world or World()
        self.recipe, self.source, self.segmenter = recipe, source, segmenter
        self.calibration, self.out, self.candidates = calibration, out, candidates
        self.steps = -(-candidates // (recipe.batch * self.world.size))
        self._cut = False

    def state(self) -> Mapping[str, Stateful]:
        """Nothing of weight: a pair is a function of its number."""
        return {"processes": _Count(self.world.size)}

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        """Make one batch of candidates."""
        first = (index * self.world.size + self.world.rank) * self.recipe.batch
        count = min(self.recipe.batch, self.candidates - first)
        if count <= 0:  # the last step leaves nothing to some
            return self.world.joint(
                {"kept": 0.0} | ({"agreement": 0.0} if self.segmenter is not None else {})
            )
        real, anime = (side.cpu() for side in self.source.pairs(first, count))
        rows = [self._row(first + i) for i in range(count)]
        if self.segmenter is not None and self.calibration is not None:
            scores = score_pairs(self.segmenter, real, anime)
            for number, (row, score) in enumerate(zip(rows, scores, strict=True), first):
                row["agreement"], row["classes"] = round(score.agreement, 5), score.classes
                lot = float(torch.rand((), generator=generator(self.recipe.run.seed, 8, number)))
                row["kept"] = passes(score, self.calibration, self.recipe.selection, lot)
        for i, row in enumerate(rows):
            row["kept"] = bool(row["kept"]) and not blank(anime[i])
            if row["kept"] or self.recipe.save_dropped:
                save_png(real[i], self.out / str(row["source"]))
                save_png(anime[i], self.out / str(row["target"]))
        self._append(first, rows)
        logged: dict[str, Tensor | float] = {"kept": sum(bool(row["kept"]) for row in rows) / count}
        if self.segmenter is not None:
            logged["agreement"] = sum(float(str(row["agreement"])) for row in rows) / count
        return self.world.joint(logged)

    def samples(self) -> Tensor | None:
        """The contact sheets come at the end."""
        return None

    def finish(self) -> None:
        """Join what several processes have written, and write the contact sheets.

        Raises:
            DataError: not one pair was kept.
        """
        self._join()
        rows = read_manifest(self.out)
        kept = [row for row in rows if row["kept"]]
        logger.info("%d of %d pairs kept", len(kept), len(rows))
        dropped = [row for row in rows if not row["kept"]]
        for name, chosen in (("kept", kept), ("dropped", dropped)):
            made = (self.out / f"{name}.jpg").exists() and isinstance(self.source, RememberedPairs)
            if chosen and not made:
                self._sheet([int(str(row["index"])) for row in chosen], self.out / f"{name}.jpg")
        if rows and not kept:
            raise DataError(
                f"not one of {len(rows)} pairs passed the selection; see {self.out / 'dropped.jpg'} "
                "and loosen selection.min_classes or selection.best_share"
            )

    def _row(self, number: int) -> dict[str, object]:
        name = f"{number:07d}.png"
        return {"index": number, "source": f"real/{name}", "target": f"anime/{name}", "kept": True}

    def _append(self, first: int, rows: list[dict[str, object]]) -> None:
        """Add lines, after cutting off once what a killed process wrote beyond its last checkpoint."""
        path = self._lines(self.world.rank)
        if not self._cut and path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            done = [line for line in lines if line.endswith("\n") and json.loads(line)["index"] < first]
            with whole(path) as part:
                part.write_text("".join(done), encoding="utf-8")
        self._cut = True
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def _lines(self, rank: int) -> Path:
        alone = self.world.size == 1
        return self.out / ("manifest.jsonl" if alone else f".manifest-{rank}.jsonl")

    def _join(self) -> None:
        if self.world.size == 1:
            return
        parts = [self._lines(rank) for rank in range(self.world.size)]
        lines = [line for part in parts if part.exists() for line in part.read_text("utf-8").splitlines()]
        lines.sort(key=lambda line: int(json.loads(line)["index"]))
        with whole(self.out / "manifest.jsonl") as part:
            part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def _sheet(self, numbers: list[int], path: Path) -> None:
        """Pairs side by side, four a row, evenly taken from `numbers`, made again from their numbers."""
        count = min(_SHEET, len(numbers))
        picked = [numbers[i * len(numbers) // count] for i in range(count)]
        images: list[Tensor] = []
        for number in picked:
            images += [side[0].cpu() for side in self.source.pairs(number, 1)]
        sheet = grid([torch.stack(images[i : i + 8]) for i in range(0, len(images), 8)])
        bgr = to_pixels(sheet).flip(0).permute(1, 2, 0).contiguous().numpy()
        path.write_bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())


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


def read_manifest(folder: Path) -> list[dict[str, object]]:
    """All rows of a folder of pairs, kept and dropped; empty where there is no manifest yet."""
    path = folder / "manifest.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _settings(run: RunSettings, steps: int) -> RunSettings:
    return RunSettings(steps, run.seed, run.checkpoint_minutes, run.log_every, 0, run.tensorboard)
