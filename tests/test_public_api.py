"""What `import scenivid` offers, and that nothing else slips in or out unnoticed."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import scenivid


@pytest.mark.parametrize("name", scenivid.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    thing = getattr(scenivid, name)
    assert inspect.getdoc(thing), f"{name} has no docstring"
    assert thing.__module__.startswith("scenivid.")


def test_all_is_what_dir_shows() -> None:
    assert dir(scenivid) == sorted(scenivid.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = scenivid.nonsense


def test_importing_the_package_doesnt_import_torch() -> None:
    code = "import sys, scenivid, scenivid.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
