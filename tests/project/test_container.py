"""The Dockerfile: it can't be built here, but what it copies exists and what it installs is declared."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text()


def test_what_is_copied_is_in_the_repository_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [word for line in re.findall(r"^COPY (?!--)(.*)$", TEXT, re.M) for word in line.split()[:-1]]
    assert {"pyproject.toml", "scenivid", "constraints.txt"} <= set(copied)
    assert set(copied) == kept and all((ROOT / name).exists() for name in copied)


def test_the_extras_are_known_and_the_python_is_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = re.search(r"^ARG EXTRAS=(.*)$", TEXT, re.M)
    assert found is not None and set(found[1].split(",")) <= project["optional-dependencies"].keys()
    python = re.search(r"^ARG PYTHON=3\.(\d+)$", TEXT, re.M)
    assert python is not None and int(python[1]) >= 10


def test_nothing_runs_as_root_in_the_end() -> None:
    last = TEXT[TEXT.rindex("FROM ") :]
    assert last.index("USER scenivid") < last.index("ENTRYPOINT")
