"""What the translator's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_translator import write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, paintings and pairs of noise."""
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder
