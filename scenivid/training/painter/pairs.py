"""Pseudo pairs: crops of photographs and the painter's version of them, painted once and kept on disk.

Painting is slow, so it is done in chunks that are read back as they are, from the first on: a network can
learn from the first few hundred while another process goes on painting.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenivid.machine.aside import whole
from scenivid.pixels import to_float, to_pixels
from scenivid.training.data.images import Entry, decode, scan
from scenivid.training.painter.looks import look_named
from scenivid.training.painter.painter import paint
from scenivid.training.painter.teacher import Teacher
from scenivid.training.painter.views import BORDER, PairSettings, view
from scenivid.training.run.random_state import generator

logger = logging.getLogger(__name__)
CHUNK = 8
"""Pairs painted at once, and in one file."""
CHANNELS = 7
"""Of a pair: source RGB, flat RGB, line."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Photographs and paintings of one size, aligned pixel by pixel."""

    chunks: tuple[Tensor, ...]
    """Parts of the data, uint8 [K, 7, S, S] each: the source's RGB, the flat colours' RGB, the
    lines. Maybe mapped from disk."""

    def __len__(self) -> int:
        return sum(len(chunk) for chunk in self.chunks)

    def __getitem__(self, index: int) -> Tensor:
        """uint8 [7, S, S]."""
        for chunk in self.chunks:
            if index < len(chunk):
                return chunk[index]
            index -= len(chunk)
        raise IndexError("no such pair")

    @property
    def size(self) -> int:
        """Side in pixels."""
        return self.chunks[0].shape[-1]


class PairStore:
    """Painted views of photographs in a fixed, mixed order: what there is of them, and the making of more."""

    def __init__(
        self,
        photos: Path,
        style: str,
        settings: PairSettings,
        seed: int,
        cache: Path,
        strength: float = 1.0,
        every: int = 1,
        teacher: Teacher | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Open the folder that belongs to these settings, or begin it.

        Args:
            strength: what the painter paints at.
            every: 2 paints every second view, and so on; 1 paints all of them.
            teacher: paints in the painter's place, at full strength.
            device: where it is painted.

        Raises:
            DataError: no usable photographs.
            ConfigError: no such style.
        """
        self.entries = scan(photos, smallest=64)
        self.look, self.settings, self.seed, self.strength = look_named(style), settings, seed, strength
        names = [entry.name for entry in self.entries]
        self.teacher, self.device = teacher, device
        painter = repr(self.look) if teacher is None else teacher.key
        key = json.dumps([style, strength, painter, asdict(settings), seed, names, every])
        self.folder = cache / f"{style}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [(n, v) for n, name in enumerate(names) for v in range(settings.views_of(name))]
        order = torch.randperm(len(jobs), generator=generator(seed, 30)).tolist()
        self.jobs = [jobs[place] for place in order][::every]
        self._held: dict[Path, Tensor] = {}

    @property
    def count(self) -> int:
        """Chunks when everything is painted."""
        return -(-len(self.jobs) // CHUNK)

    def paint(self, number: int) -> None:
        """Paint chunk `number` unless it is there."""
        path = self._path(number)
        if path.exists():
            return
        jobs = self.jobs[CHUNK * number : CHUNK * (number + 1)]
        sources = _views(self.entries, jobs, self.settings, self.seed)
        seen = to_float(sources.to(self.device))
        if self.teacher is None:
            painting = paint(seen, self.look, self.strength)
        else:
            painting = self.teacher.paint(seen)
        chunk = torch.cat([sources, *(to_pixels(part).cpu() for part in (painting.flat, painting.line))], 1)
        with whole(path) as part, part.open("wb") as file:
            np.save(file, chunk[..., BORDER:-BORDER, BORDER:-BORDER].contiguous().numpy())
        logger.info("painted %d of %d views", CHUNK * number + len(jobs), len(self.jobs))

    def pairs(self) -> Pairs:
        """What is painted, in order, up to the first gap."""
        for number in range(len(self._held), self.count):
            path = self._path(number)
            if not path.exists():
                break
            self._held[path] = torch.from_numpy(np.load(path, mmap_mode="c"))
        return Pairs(tuple(self._held.values()))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npy"


def paint_all(stores: Sequence[PairStore], share: float = 1.0, part: tuple[int, int] = (0, 1)) -> None:
    """Paint the first `share` of every store, side by side.

    Args:
        part: which of how many processes this is, that divide the work.
    """
    jobs = [
        ((number + 0.5) / store.count, store, number) for store in stores for number in range(store.count)
    ]
    for place, store, number in sorted(jobs, key=lambda job: job[0])[part[0] :: part[1]]:
        if place <= share:
            store.paint(number)


def _views(
    entries: Sequence[Entry], jobs: Sequence[tuple[int, int]], settings: PairSettings, seed: int
) -> Tensor:
    return torch.stack([view(np.asarray(decode(entries[n])), settings, seed, n, v) for n, v in jobs])
