"""What a data set is made from: films, clips and photographs, found in folders or named one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scenivid.errors import ConfigError, DataError
from scenivid.training.data.images import Entry, entries
from scenivid.video.formats import VIDEO_SUFFIXES
from scenivid.video.reading.pictures.images import SUFFIXES

_PHOTO_SUFFIXES = frozenset((*SUFFIXES, ".jp2", ".avif"))


@dataclass(frozen=True)
class Source:
    """One film or one photograph."""

    name: str
    """Its own among all sources: the beginning of the names of its pictures, with forward slashes."""
    entry: Entry
    """Where it lies; a photograph may lie in a tar file."""
    film: bool

    @property
    def key(self) -> str:
        """The same file has the same key, run after run."""
        place = self.entry.path.resolve().as_posix()
        return place if self.entry.offset is None else f"{place}!{self.entry.name}"

    @property
    def bytes(self) -> int:
        """Its size; 0 where it has gone."""
        if self.entry.offset is not None:
            return self.entry.size
        try:
            return self.entry.path.stat().st_size
        except OSError:
            return 0


def find_sources(
    inputs: Sequence[Path], known: Mapping[str, str] | None = None, apart: Path | None = None
) -> list[Source]:
    """Everything below `inputs` that its name says is a film or a photograph, in order.

    Args:
        inputs: files and folders.
        known: names that sources had in an earlier run, by key; they keep them.
        apart: a folder to leave out: where the data set is written.

    Raises:
        DataError: an input that isn't there, or nothing at all.
    """
    known = known or {}
    taken, found = set(known.values()), list[Source]()
    have = set[str]()
    for place in inputs:
        for entry in _below(place, apart):
            suffix = Path(entry.name).suffix.lower()
            film = suffix not in _PHOTO_SUFFIXES
            source = Source("", entry, film)
            if source.key in have:
                continue
            have.add(source.key)
            name = known.get(source.key) or _free(entry.name, taken)
            taken.add(name)
            found.append(Source(name, entry, film))
    if not found:
        places = ", ".join(map(str, inputs)) or "no inputs"
        raise DataError(f"no films and no photographs in {places}: give files, or folders of them")
    return found


def read_list(path: Path) -> dict[str, tuple[int, ...]]:
    """A list of frames, {"name of a film, without its suffix": [frame numbers from 0]}, in ascending order.

    This is the layout of Scenimefy's published list.

    Raises:
        ConfigError: it can't be read, or isn't one.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"the list of frames {path} can't be read: {exc}") from exc
    good = isinstance(held, dict) and all(
        isinstance(numbers, list)
        and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
        for numbers in held.values()
    )
    if not good or not held:
        raise ConfigError(f'{path} is no list of frames: expected {{"name of a film": [numbers from 0], …}}')
    return {name: tuple(sorted(set(numbers))) for name, numbers in held.items()}


def _below(place: Path, apart: Path | None) -> Iterator[Entry]:
    if place.is_file():
        if place.suffix == ".tar":
            yield from (entry for entry in entries(place.parent) if entry.path == place)
        else:
            yield Entry(place, place.name)
        return
    if not place.is_dir():
        raise DataError(f"{place} is not there: give films, photographs or folders of them")
    out = apart.resolve() if apart is not None else None
    for entry in entries(place):
        if out is not None and out in entry.path.resolve().parents:
            continue
        if Path(entry.name).suffix.lower() in VIDEO_SUFFIXES | _PHOTO_SUFFIXES:
            yield entry


def _free(name: str, taken: Iterable[str]) -> str:
    """The name without its suffix, or something like it that isn't taken."""
    path = Path(name)
    stem = path.stem.replace(".", "_")  # WebDataset's keys end at the first dot
    plain = path.with_name(stem).as_posix()
    tries = [plain, f"{plain}-{path.suffix[1:].lower()}"]
    for number in range(2, 10**9):
        for attempt in tries:
            if attempt not in taken:
                return attempt
        tries = [f"{plain}-{number}"]
    raise AssertionError("names never end")
