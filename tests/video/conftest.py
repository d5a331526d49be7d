"""What the tests of reading and writing share."""

from __future__ import annotations

import pytest
from shelf import Shelf


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Made clips, to be read only."""
    return Shelf(tmp_path_factory.mktemp("clips"))
