"""What is installed is what is imported: no more, no less, and only on the path that uses it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {"train": ("training", "perception"), "eval": ("evaluation", "perception"), "onnx": ("styles",),
         "openvino": ("styles",), "ui": ("ui",),
         "pairs": ("training",), "cluster": ("cluster",)}  # fmt: skip
"""The rooms of the package whose code may use an extra."""
TOOLS = {"ruff", "mypy", "setuptools"}
"""Commands, imported by nobody."""
NOT_FOR_DIS = {
    "torchvision",
    "scenedetect",
    "open_clip",
    "timm",
    "lpips",
    "matplotlib",
    "decord",
    "onnxruntime",
    "openvino",
}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared() -> dict[str, set[str]]:
    """Distributions by extra; "" is the base."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: {_normal(re.split(r"[^\w.-]", entry, maxsplit=1)[0]) for entry in entries}
        for extra, entries in lists.items()
    }


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _used(paths: Iterable[Path]) -> dict[str, str]:
    """Distributions that files import, each with one of the files."""
    known, found = _distributions(), {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = "tensorboard" if name == "torch.utils.tensorboard" else name.split(".")[0]
                if top not in sys.stdlib_module_names and top != "scenivid":
                    found[_normal(known.get(top, [top])[0])] = str(path.relative_to(ROOT))
    return found


def _files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in (ROOT / "scenivid" / room).rglob("*.py")]


def test_every_import_of_the_package_is_declared_where_it_is_used() -> None:
    declared, wrong = _declared(), []
    for path in sorted((ROOT / "scenivid").rglob("*.py")):
        room = path.relative_to(ROOT / "scenivid").parts[0]
        allowed = declared[""].union(*(declared[extra] for extra, rooms in ROOMS.items() if room in rooms))
        wrong += [f"{path.name} imports {name}" for name in _used([path]) if name not in allowed]
    assert not wrong


def test_every_extra_holds_only_what_its_code_imports() -> None:
    declared = _declared()
    special = {path for rooms in ROOMS.values() for path in _files(*rooms)}
    base = _used(path for path in (ROOT / "scenivid").rglob("*.py"))
    assert declared[""] <= base.keys()
    for extra, rooms in ROOMS.items():
        assert declared[extra] <= _used(_files(*rooms)).keys(), extra
    assert declared["ffmpeg"] <= _used((ROOT / "integrations" / "ffmpeg").rglob("*.py")).keys()
    own = [path for folder in ("tests", "train", "eval") for path in (ROOT / folder).rglob("*.py")]
    assert declared["dev"] - TOOLS <= _used(own).keys()
    assert special, "the rooms of the extras are empty"


def test_stylizing_with_dis_loads_nothing_that_it_doesnt_use(tmp_path: Path) -> None:
    """Seconds and hundreds of megabytes: torchvision alone takes 2 s to import."""
    code = (
        "import sys\nfrom scenivid.cli import _run\n"
        f"assert _run(['stylize', 'examples/clip.mp4', {str(tmp_path / 'out.mp4')!r}, '--duration', '0.08',"
        " '--decoder', 'pyav', '--flow', 'dis', '--device', 'cpu', '--engine', 'torch'], debug=True) == 0\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not NOT_FOR_DIS & set(done.stdout.split())


@pytest.mark.parametrize("words", [["--help"], ["stylize", "--help"], ["styles", "--help"]], ids=" ".join)
def test_help_loads_nothing_large(words: list[str]) -> None:
    code = "import sys; from scenivid.cli import _run; _run(sys.argv[1:], debug=True); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert "Usage:" in done.stdout and not {"torch", "cv2", "av"} & set(done.stdout.split())
