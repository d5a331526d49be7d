"""The wheel: what is in it, and that it stylizes where nothing but the base's dependencies is installed.

Those are not downloaded again: the new environment sees copies of exactly what the wheel asks for, and of
what that asks for in turn.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 16_000_000
"""Bytes: three networks of a few megabytes, and the code."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since a build leaves folders behind that a later one would pack again."""
    source = tmp_path_factory.mktemp("source") / "scenivid"
    shutil.copytree(ROOT / "scenivid", source / "scenivid", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(source), str(source)]
    _succeed([sys.executable, "-m", "pip", *words])
    (built,) = source.glob("*.whl")
    return built


def _succeed(words: list[str], folder: Path = ROOT) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _needed(requirements: list[str]) -> set[str]:
    """Names of installed distributions: those required, and all that they require in turn; no extras."""
    found: set[str] = set()
    todo = list(requirements)
    while todo:
        requirement = Requirement(todo.pop())
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name not in found:
            found.add(requirement.name)
            todo += metadata.requires(requirement.name) or []
    return found


def _link(names: set[str], folder: Path) -> None:
    """Everything that these distributions put into site-packages, as links."""
    folder.mkdir()
    for name in names:
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            target = folder / top
            if not target.exists():
                target.symlink_to(Path(str(distribution.locate_file(top))).resolve())


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_no_tools_of_developers(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "scenivid").rglob("*")
        if path.suffix in (".py", ".safetensors", ".md", ".html", ".toml", ".js", ".css", ".png", ".typed")
        or path.name == "py.typed"
    }
    assert names == expected
    assert wheel.stat().st_size < LARGEST


@pytest.mark.slow
def test_the_base_alone_stylizes_a_clip(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        asked = metadata.PathDistribution(zipfile.Path(archive, name.removesuffix("METADATA"))).requires or []
    home = tmp_path / "environment"
    venv.create(home, symlinks=True)
    _link(_needed(asked), tmp_path / "linked")
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "linked.pth").write_text(str(tmp_path / "linked"))
    python = str(home / "bin" / "python")
    _succeed([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", str(wheel)])

    names = ["open_clip", "timm", "onnx", "pytest"]  # here, but not in the base
    code = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    assert _succeed([python, "-c", code], tmp_path).strip() == "[]"
    clip = str(ROOT / "examples" / "clip.mp4")
    command = str(home / "bin" / "scenivid")
    said = _succeed([command, "stylize", clip, "out.mp4", "--duration", "0.2", "--json"], tmp_path)
    assert json.loads(said.splitlines()[-1])["frames"] == 5 and (tmp_path / "out.mp4").stat().st_size > 1000
    assert "extra train" in _succeed([command, "doctor"], tmp_path)
