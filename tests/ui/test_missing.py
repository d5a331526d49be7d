"""Without the extra, the window says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scenivid.errors import DependencyError
from scenivid.ui.server import ServerSettings, serve


@pytest.mark.parametrize("missing", ["uvicorn", "fastapi"])
def test_a_missing_package_is_named_with_its_extra(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(missing)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(DependencyError, match=r"scenivid\[ui\]"):
        serve(ServerSettings(home=tmp_path), lambda address: None)
