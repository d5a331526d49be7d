"""Before a run: weights of others are fetched or refused first of all; a dry run names what is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from scenivid.errors import CheckpointError, DependencyError
from scenivid.weights.published import Published, fetch_all

logger = logging.getLogger(__name__)
Needed = tuple[Published, Path | None]
"""Weights of others, and the user's own file in their place."""
Found = TypeVar("Found")


def look_for(what: str, find: Callable[[], Found], *paths: Path) -> Found | None:
    """What `find` gives; or None, and a line that names what is missing, where one of `paths` isn't there."""
    missing = [path for path in paths if not path.exists()]
    if not missing:
        return find()
    logger.warning("missing: %s: %s", what, ", ".join(map(str, missing)))
    return None


@contextmanager
def naming_packages() -> Iterator[None]:
    """For a dry run: a package that isn't installed is a line, not an error."""
    try:
        yield
    except DependencyError as exc:
        logger.warning("missing: a package: %s", exc)


def ask_for(needed: Iterable[Needed]) -> None:
    """Make sure of weights of others before the first image is read: fetch what isn't here.

    Raises:
        CheckpointError: what can't be had, all of it in one line, with where to put it by hand.
    """
    wanted = list(needed)
    gone = [str(own) for _, own in wanted if own is not None and not own.exists()]
    if gone:
        raise CheckpointError(f"no such weights: {', '.join(gone)}")
    fetch_all(published for published, own in wanted if own is None)


def name_missing(needed: Iterable[Needed]) -> None:
    """For a dry run: a line for each that isn't here."""
    for published, own in needed:
        if not (own.exists() if own is not None else published.here):
            place = own or f"{published.path} (scenivid weights fetch {published.name}; {published.licence})"
            logger.warning("missing: weights of %s: %s", published.name, place)
