"""Dry runs: what isn't there yet is named, and the rest is planned all the same."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

logger = logging.getLogger(__name__)
Found = TypeVar("Found")


def look_for(what: str, find: Callable[[], Found], *paths: Path) -> Found | None:
    """What `find` gives; or None, and a line that names what is missing, where one of `paths` isn't there."""
    missing = [path for path in paths if not path.exists()]
    if not missing:
        return find()
    logger.warning("missing: %s: %s", what, ", ".join(map(str, missing)))
    return None
