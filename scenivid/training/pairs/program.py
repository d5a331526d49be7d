"""Making pairs step by step: each batch scored, the good ones written, and a manifest of all."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import cv2
import torch
from torch import Tensor

from scenivid.errors import DataError
from scenivid.machine.aside import whole
from scenivid.pixels import to_pixels
from scenivid.training.pairs.diffusion import blank
from scenivid.training.pairs.memory import RememberedPairs
from scenivid.training.pairs.recipe import Recipe
from scenivid.training.pairs.segmenters import Segmenter
from scenivid.training.pairs.selection import Calibration, passes, score_pairs
from scenivid.training.pairs.sources import PairSource
from scenivid.training.run.log import grid, save_png
from scenivid.training.run.program import Stateful
from scenivid.training.run.random_state import generator
from scenivid.training.run.world import World

logger = logging.getLogger(__name__)
_SHEET = 32


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


def read_manifest(folder: Path) -> list[dict[str, object]]:
    """All rows of a folder of pairs, kept and dropped; empty where there is no manifest yet."""
    path = folder / "manifest.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
