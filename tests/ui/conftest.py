"""A studio in a temporary home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pretended_children import Pretended, make_studio

from scenivid.ui.studio import Studio


@pytest.fixture
def children() -> Pretended:
    """All children of the test."""
    return Pretended()


@pytest.fixture
def studio(tmp_path: Path, children: Pretended) -> Iterator[Studio]:
    """A studio at work; files below `tmp_path/named` may be named by path."""
    made = make_studio(tmp_path, children)
    made.queue.start()
    made.chores.start()
    yield made
    made.queue.close()
    made.chores.close()
