"""`scenivid train data`: films and photographs that you may use, made into a data set.

Each shot gives its sharpest frame; black bars are cut off; what is dark, blank, blurred, a card of text or
like something kept before is dropped; the rest is cut into squares, small enough to load fast. `out` is then
a folder of images for every other program; out/report.html shows what was kept and dropped, and why.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from scenivid.errors import Cancelled, ConfigError, DataError, InputError, OutputError
from scenivid.machine import locks
from scenivid.training.planning.missing import Needed, ask_for, name_missing
from scenivid.training.prepare.judge import Rules
from scenivid.training.prepare.maker import Maker
from scenivid.training.prepare.report import PAGE, write_report
from scenivid.training.prepare.sources import Source, find_sources, read_list
from scenivid.training.prepare.store import JOURNAL, Form, Store
from scenivid.training.recipe import harmless
from scenivid.training.run.interrupt import stop_requests
from scenivid.training.run.loop import Progress
from scenivid.training.run.record import differences, to_dict
from scenivid.video.open import probe
from scenivid.weights.catalogue import YUNET

logger = logging.getLogger(__name__)
BEGUN = JOURNAL
"""What there is of a run that can be resumed."""
UNIT = "frames"
"""What its progress counts; a photograph is one as well."""
_SETTINGS = ".recipe.json"


@dataclass(frozen=True)
class Recipe:
    """Settings of one data set."""

    program: Literal["data"] = "data"
    inputs: tuple[Path, ...] = harmless(())
    """Films, clips, photographs, and folders of them (also tar files of photographs)."""
    frames: Path | None = None
    """A list {"film": [frame numbers]}: exactly these frames are taken, and nothing but bars is judged."""
    crops: int = 3
    """Squares of a frame, at most; 0 = the whole frame, whatever its shape."""
    size: int = 320
    """Side of a square (the shorter side of a whole frame), in pixels; nothing is enlarged."""
    every_s: float = 0.0
    """A shot longer than this many seconds gives several frames; 0 = one a shot."""
    format: Form = "png"
    shard: int = 0
    """Pictures in a WebDataset shard (.tar); 0 = plain files."""
    rules: Rules = Rules()
    faces_weights: Path | None = None
    """YuNet's file, where it can't be downloaded."""

    def __post_init__(self) -> None:
        if not 0 <= self.crops <= 9:
            raise ConfigError("crops must lie between 0 and 9")
        if not 32 <= self.size <= 4096:
            raise ConfigError("size must lie between 32 and 4096 pixels")
        if self.shard < 0 or self.every_s < 0:
            raise ConfigError("shard and every_s must not be negative")


def run(
    recipe: Recipe,
    out: Path,
    *,
    minutes: float | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Make the data set, or go on making it; returns `out`, which the other programs take as it is.

    Raises:
        ConfigError: `out` holds a data set of other settings; a list of frames that isn't one.
        DataError: no sources, or nothing was kept.
        CheckpointError: faces are to be dropped, and YuNet can't be had.
        Cancelled: Ctrl-C or SIGTERM; the same command goes on.
    """
    if dry_run:
        name_missing(weights_of(recipe))
        _plan(recipe, out, Store(out, recipe.format, recipe.shard))
        return out
    ask_for(weights_of(recipe))
    with _alone(out), stop_requests() as asked:
        store = Store(out, recipe.format, recipe.shard)
        work = _plan(recipe, out, store)
        _same_settings(recipe, out)
        finished = _make(recipe, store, work, _Budget(asked, minutes), progress)
        store.pack(last=True)
        counts = write_report(store, finished, to_dict(recipe))
    for line in counts.lines():
        logger.info("%s", line)
    if asked:
        raise Cancelled(f"stopped: the same command goes on; see {out / PAGE}", 128 + asked[0])
    if finished and not counts.kept:
        raise DataError(f"nothing was kept; {out / PAGE} shows why: loosen the rules (--set rules.…)")
    return out


def weights_of(recipe: Recipe) -> list[Needed]:
    """Weights of others that the rules need."""
    return [(YUNET, recipe.faces_weights)] if recipe.rules.faces == "drop" else []


@dataclass(frozen=True)
class _Job:
    """One source, and what is wanted of it."""

    source: Source
    length: int
    """Frames, as its container announces them; 1 for a photograph."""
    numbers: tuple[int, ...] | None
    """Exactly these frames; None: the best of each shot."""


class _Budget:
    """How long a run may take."""

    def __init__(self, asked: Sequence[int], minutes: float | None) -> None:
        self._asked, self._minutes, self.began = asked, minutes, time.monotonic()

    def over(self) -> bool:
        """Whether to stop."""
        late = self._minutes is not None and time.monotonic() - self.began >= 60 * self._minutes
        return bool(self._asked) or late


def _make(
    recipe: Recipe,
    store: Store,
    work: Sequence[_Job],
    budget: _Budget,
    progress: Callable[[Progress], None] | None,
) -> bool:
    """Take all sources; whether that was finished."""
    maker = Maker(store, recipe.rules, recipe.crops, recipe.size, recipe.every_s, recipe.faces_weights)
    total, before = sum(job.length for job in work), 0

    def tell(count: int) -> None:
        if progress is not None:
            done = min(before + count, total)
            rate = done / max(time.monotonic() - budget.began, 1e-9)
            progress(Progress(done, total, {}, rate, (total - done) / max(rate, 1e-9)))

    for job in work:
        if budget.over() or not maker.take(job.source, job.numbers, budget.over, tell):
            return False
        tell(job.length)
        before += job.length
    return True


def _plan(recipe: Recipe, out: Path, store: Store) -> list[_Job]:
    """What there is to do; told as well."""
    sources = find_sources(recipe.inputs, {end.key: end.source for end in store.ends.values()}, out)
    wanted = read_list(recipe.frames) if recipe.frames is not None else None
    if wanted is not None:
        sources = _listed(sources, wanted)
    jobs = [
        _Job(source, _length(source), None if wanted is None else wanted[Path(source.entry.name).stem])
        for source in sources
    ]
    films = [job.length for job in jobs if job.source.film]
    logger.info(
        "%d films (about %d frames) and %d photographs; %s, %s",
        len(films), sum(films), len(jobs) - len(films),
        f"{recipe.crops} squares of {recipe.size} px each" if recipe.crops else f"whole, {recipe.size} px",
        f"shards of {recipe.shard}" if recipe.shard else f".{recipe.format} files",
    )  # fmt: skip
    done = sum(job.source.key in store.ends for job in jobs)
    if done:
        logger.info("%d of them were finished before", done)
    return jobs


def _listed(sources: Sequence[Source], wanted: dict[str, tuple[int, ...]]) -> list[Source]:
    """The films of the list; what isn't there is named."""
    films = {Path(source.entry.name).stem: source for source in sources if source.film}
    missing = sorted(wanted.keys() - films.keys())
    if missing:
        logger.warning("not among the inputs: %s", ", ".join(missing))
    found = [films[name] for name in wanted if name in films]
    if not found:
        raise DataError(f"none of the list's films is among the inputs (such as {missing[0]}.mp4)")
    return found


def _length(source: Source) -> int:
    """Frames, as the container announces them; 1 for a photograph."""
    if not source.film:
        return 1
    try:
        info = probe(source.entry.path)
    except InputError:
        return 1
    if info.frames is not None:
        return info.frames
    return round((info.duration or Fraction(0)) * info.rate_hz) or 1


def _same_settings(recipe: Recipe, out: Path) -> None:
    """Refuse a folder that was made otherwise; more inputs are welcome."""
    path = out / _SETTINGS
    if path.exists():
        changed = differences(recipe, json.loads(path.read_text(encoding="utf-8")))
        if changed:
            raise ConfigError(
                f"{out} holds a data set of other settings ({'; '.join(changed)}): choose another --out"
            )
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_dict(recipe), indent=2) + "\n", encoding="utf-8")


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Nobody else writes the same folder."""
    with locks.hold(out / ".lock") as mine:
        if not mine:
            raise OutputError(f"another run is writing {out}: wait for it, or choose another --out")
        yield
