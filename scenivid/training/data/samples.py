"""What a training step sees: a pure function of (seed, step), whatever the workers and the processes.

    photos = ImageSet(scan(Path("photos")), Augment(size=256), seed=0)
    with Stream({"x": photos, "y": paintings, "pair": PairSet(...)}, batch=4, workers=2) as stream:
        stream.batch(1000)["x"]          # uint8 [4, 3, 256, 256]; going on to 1001, 1002, … is cheap

Item g of a set is image permutation(seed, g // n)[g % n] with the augmentation of generator(seed, g);
step i of process r of R reads items (i·R + r)·batch … + batch − 1.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from scenivid.errors import DataError
from scenivid.training.data.augment import Augment, draw, place
from scenivid.training.data.images import Entry, decode, scan
from scenivid.training.run.random_state import generator

logger = logging.getLogger(__name__)
_TRIES = 20


class EndlessSet(Protocol):
    """A data set without an end."""

    def __getitem__(self, index: int) -> Any:
        """Item `index` ≥ 0: tensors, or a dict of tensors, that can be stacked."""


class ImageSet:
    """Augmented crops of unpaired images: uint8 RGB [3, size, size].

    Args:
        entries: from `images.scan`.
        salt: tells apart sets that share a seed, so that their shuffles differ.
    """

    def __init__(self, entries: Sequence[Entry], augment: Augment, seed: int, salt: int = 0) -> None:
        self.entries, self.augment, self.seed, self.salt = tuple(entries), augment, seed, salt

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Tensor:
        placement = draw(self.augment, generator(self.seed, self.salt, 1, index))
        for position in range(index, index + _TRIES):
            entry = self.entries[_shuffled(self.seed, self.salt, len(self), position)]
            try:
                return place(decode(entry), placement, self.augment.size)
            except DataError as exc:
                _warn_once(str(exc))
        raise DataError(f"{_TRIES} images in a row can't be decoded, the last: {entry.path}")


class PairSet:
    """Augmented crops of (source, target) pairs: {"source", "target"}, each uint8 RGB [3, size, size].

    Both sides get the same crop and flip; a target of another size is resized to its source first.
    """

    def __init__(
        self, pairs: Sequence[tuple[Entry, Entry]], augment: Augment, seed: int, salt: int = 0
    ) -> None:
        self.pairs, self.augment, self.seed, self.salt = tuple(pairs), augment, seed, salt

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        placement = draw(self.augment, generator(self.seed, self.salt, 1, index))
        for position in range(index, index + _TRIES):
            first, second = self.pairs[_shuffled(self.seed, self.salt, len(self), position)]
            try:
                source, target = decode(first), decode(second)
            except DataError as exc:
                _warn_once(str(exc))
                continue
            if target.size != source.size:
                target = target.resize(source.size, Image.Resampling.BICUBIC)
            size = self.augment.size
            return {"source": place(source, placement, size), "target": place(target, placement, size)}
        raise DataError(f"{_TRIES} pairs in a row can't be decoded, the last: {first.path}")


def find_pairs(folder: Path, smallest: int = 32) -> tuple[tuple[Entry, Entry], ...]:
    """Pairs of a folder, in the first of these layouts that is there.

    - manifest.jsonl: lines {"source": "path", "target": "path", …}, paths relative to the folder; a line
      with "kept": false is left out. This is what `scenivid train pairs` writes.
    - source/ and target/ with the same names below them (suffixes may differ).
    - WebDataset shards *.tar with members KEY.source.png and KEY.target.png (any image suffix).

    Raises:
        DataError: no pairs, or a manifest that names a missing file.
    """
    if (folder / "manifest.jsonl").is_file():
        return _from_manifest(folder)
    if (folder / "source").is_dir() and (folder / "target").is_dir():
        sources = {entry.key: entry for entry in scan(folder / "source", smallest)}
        targets = {entry.key: entry for entry in scan(folder / "target", smallest)}
    else:
        sides = {entry.key: entry for entry in scan(folder, smallest)}
        sources = {k.removesuffix(".source"): e for k, e in sides.items() if k.endswith(".source")}
        targets = {k.removesuffix(".target"): e for k, e in sides.items() if k.endswith(".target")}
    keys = sorted(sources.keys() & targets.keys())
    alone = len(sources.keys() ^ targets.keys())
    if not keys:
        raise DataError(
            f"{folder} holds no pairs: expected manifest.jsonl, or source/ and target/ with the same names, "
            "or shards with KEY.source.png and KEY.target.png"
        )
    if alone:
        logger.warning("%s: %d pairs used, %d images without a partner skipped", folder, len(keys), alone)
    return tuple((sources[key], targets[key]) for key in keys)


class Stream:
    """Batches by step number over several endless sets; read ahead by worker processes.

    Args:
        sets: name to data set; a batch is {name: stacked items}.
        batch: items a step and process.
        workers: worker processes; 0 = load in this process. Invisible in the data.
        rank: which of `world` processes this is.
    """

    def __init__(
        self, sets: Mapping[str, EndlessSet], batch: int, workers: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self._items = _Joined(dict(sets))
        self._batch, self._workers, self._rank, self._world = batch, workers, rank, world
        self._next = -1
        self._iterator: Iterator[dict[str, Any]] | None = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._iterator = None  # the loader's own clean-up ends its workers

    def batch(self, step: int) -> dict[str, Any]:
        """The batch of `step`; asking for consecutive steps is fast, jumping restarts the workers."""
        if step != self._next or self._iterator is None:
            self._iterator = self._begun(step)
        self._next = step + 1
        return next(self._iterator)

    def _begun(self, step: int) -> Iterator[dict[str, Any]]:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # ends OpenCV's own: they don't survive a fork, and a worker would wait for them
        try:
            return iter(self._loader(step))
        finally:
            cv2.setNumThreads(threads)

    def _loader(self, first: int) -> DataLoader[Any]:
        def indices() -> Iterator[list[int]]:
            for step in itertools.count(first):
                begin = (step * self._world + self._rank) * self._batch
                yield list(range(begin, begin + self._batch))

        return DataLoader(
            self._items,
            batch_sampler=_Endless(indices),
            num_workers=self._workers,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # or the loader would draw from the global one at each resume
        )


class _Joined(Dataset[Any]):
    def __init__(self, sets: dict[str, EndlessSet]) -> None:
        self.sets = sets

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: items[index] for name, items in self.sets.items()}

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        return [self[index] for index in indices]


class _Endless:
    def __init__(self, make: Any) -> None:
        self.make = make

    def __iter__(self) -> Iterator[list[int]]:
        made: Iterator[list[int]] = self.make()
        return made


@lru_cache(maxsize=16)
def _permutation(seed: int, salt: int, count: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator(seed, salt, 0, epoch))


def _shuffled(seed: int, salt: int, count: int, position: int) -> int:
    return int(_permutation(seed, salt, count, position // count)[position % count])


@lru_cache(maxsize=1000)
def _warn_once(message: str) -> None:
    logger.warning("%s; another image takes its place", message)


def _from_manifest(folder: Path) -> tuple[tuple[Entry, Entry], ...]:
    pairs = []
    path = folder / "manifest.jsonl"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            names = (row["source"], row["target"])
        except (json.JSONDecodeError, KeyError, TypeError) as exc:
            raise DataError(f'{path} line {number} is not {{"source": …, "target": …}}: {exc!r}') from exc
        if not row.get("kept", True):
            continue
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise DataError(f"{path} line {number} names {missing[0]}, which is not there")
        pairs.append((Entry(folder / names[0], names[0]), Entry(folder / names[1], names[1])))
    if not pairs:
        raise DataError(f"{path} keeps no pair")
    return tuple(pairs)
