"""Imports point one way, nothing goes in circles, and a large dependency enters at one place."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "scenivid"
LEVEL = {
    "errors": 0,
    "colour": 0,
    "progress": 1,
    "ink": 1,
    "machine": 1,
    "oklab": 1,
    "pixels": 1,
    "video": 2,
    "weights": 2,
    "nets": 3,
    "flow": 3,
    "perception": 3,
    "styles": 4,
    "temporal": 4,
    "engine": 5,
    "training": 6,
    "evaluation": 6,
    "batch": 6,
    "live": 6,
    "doctor": 6,
    "cluster": 6,
    "ui": 7,
    "learn": 7,
    "cli": 7,
    "__main__": 8,
}
"""A room may import from its own level and from those below."""
APART = {("training", "evaluation"), ("nets", "flow")}
"""Neither knows the other."""
ONLY_IN = {
    "click": ("cli/",),
    "decord": ("video/reading/decord_child.py",),
    "gradio": ("ui/page/", "ui/server.py"),
    "fastapi": ("ui/api.py", "ui/server.py"),
    "rich": ("cli/terminal.py", "cli/progress.py"),  # where everything foreign is escaped
    "ray": ("cluster/ray_workers.py",),
    "torchvision": ("flow/raft.py", "perception/", "training/"),
}


def _imports(path: Path) -> set[str]:
    """Full names of what a file imports, wherever in it; for `from scenivid.x import y` also scenivid.x.y."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner
            if not all(_is_module(name) for name in inner):
                found.add(node.module or "")
    return found


def _is_module(name: str) -> bool:
    place = PACKAGE.parent / name.replace(".", "/")
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each file of the package imports; the public names of scenivid/__init__.py don't count."""
    return {
        path.relative_to(PACKAGE).as_posix(): _imports(path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "__init__.py"
    }


def _room(name: str) -> str:
    return name.replace("/", ".").split(".")[0]


def test_imports_point_down(imports: dict[str, set[str]]) -> None:
    wrong = []
    for place, names in imports.items():
        for name in sorted(names):
            if not name.startswith("scenivid.") or (room := _room(place)) == (
                other := _room(name.removeprefix("scenivid."))
            ):
                continue
            if LEVEL[other] > LEVEL[room] or {(room, other), (other, room)} & APART:
                wrong.append(f"{place} imports {name}")
    assert not wrong


def test_no_import_goes_in_a_circle(imports: dict[str, set[str]]) -> None:
    module = {
        "scenivid." + place.removesuffix(".py").removesuffix("/__init__").replace("/", "."): place
        for place in imports
    }
    graph = {place: {module[name] for name in names if name in module} for place, names in imports.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_a_large_dependency_enters_at_one_place(imports: dict[str, set[str]]) -> None:
    wrong = [
        f"{place} imports {name}"
        for place, names in imports.items()
        for name in sorted(names)
        if (allowed := ONLY_IN.get(name.split(".")[0])) and not place.startswith(allowed)
    ]
    assert not wrong
