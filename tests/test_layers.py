"""Imports point one way: cli → training, evaluation → engine → temporal → nets, flow, video → frames."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "scenivid"
LEVEL = {
    "errors": 0,
    "aside": 1,
    "locks": 1,
    "devices": 1,
    "frames": 1,
    "ink": 1,
    "signals": 1,
    "video": 2,
    "weights": 2,
    "nets": 3,
    "flow": 3,
    "perception": 3,
    "styles": 4,
    "temporal": 4,
    "cuts": 4,
    "stages": 2,
    "engine": 5,
    "training": 6,
    "evaluation": 6,
    "segments": 6,
    "jobs": 6,
    "records": 6,
    "bench": 6,
    "doctor": 6,
    "cluster": 6,
    "cli": 7,
    "__main__": 8,
}
APART = {("training", "evaluation"), ("evaluation", "training"), ("nets", "flow"), ("flow", "nets")}
ONLY_IN = {
    "click": {"cli"},
    "decord": {"video/reading/decord_reader.py"},
    "scenedetect": {"cuts.py"},
    "rich": {"cli"},
}


def _modules() -> list[Path]:
    return sorted(
        path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE
    )


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            if node.module == "scenivid":
                found |= {f"scenivid.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in _imports(path):
        if not name.startswith("scenivid."):
            continue
        other = name.split(".")[1]
        if other == room:
            continue
        assert LEVEL[other] <= LEVEL[room], f"{room} imports {other}, which lies above it"
        assert (room, other) not in APART, f"{room} and {other} don't know each other"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_large_dependency_enters_at_one_place(path: Path) -> None:
    place = path.relative_to(PACKAGE)
    for name in _imports(path):
        allowed = ONLY_IN.get(name.split(".")[0])
        assert allowed is None or str(place) in allowed or place.parts[0] in allowed, (
            f"{place} imports {name}"
        )
