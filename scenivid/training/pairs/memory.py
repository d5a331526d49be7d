"""Pairs that cost much are made once: kept in a folder until they have been judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenivid.machine.aside import whole
from scenivid.pixels import to_float
from scenivid.training.data.images import Entry, decode
from scenivid.training.pairs.sources import PairSource
from scenivid.training.run.log import save_png


class RememberedPairs:
    """A costly source, whose pairs are made once over calibration, steps, resumes and contact sheets.

    What it gives is rounded to 8 bits, whether it comes from the source or from the folder.
    """

    costly = True

    def __init__(self, source: PairSource, folder: Path) -> None:
        self.source, self.folder, self.name = source, folder, source.name

    def pairs(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """As `PairSource` says; neighbours that are missing are made together."""
        numbers = range(first, first + count)
        missing = [number for number in numbers if not self._there(number)]
        for begin, end in _runs(missing):
            real, anime = self.source.pairs(begin, end - begin)
            for number in range(begin, end):
                for side, image in (("real", real[number - begin]), ("anime", anime[number - begin])):
                    with whole(self._path(side, number)) as part:
                        save_png(image, part)
        sides = [[self._read(side, number) for number in numbers] for side in ("real", "anime")]
        return torch.stack(sides[0]), torch.stack(sides[1])

    def forget(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _there(self, number: int) -> bool:
        return self._path("anime", number).is_file()  # it is written last

    def _path(self, side: str, number: int) -> Path:
        return self.folder / side / f"{number:07d}.png"

    def _read(self, side: str, number: int) -> Tensor:
        path = self._path(side, number)
        return to_float(torch.from_numpy(np.array(decode(Entry(path, path.name)))).permute(2, 0, 1))


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Begin and end of each run of neighbours."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return found
