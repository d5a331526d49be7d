"""What `import scenivid` offers, and that nothing else slips in or out unnoticed."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from make_frames import panning, save

import scenivid


def test_every_public_name_exists_and_is_documented() -> None:
    for name in scenivid.__all__:
        thing = getattr(scenivid, name)
        assert inspect.getdoc(thing), f"{name} has no docstring"
        assert thing.__module__.startswith("scenivid.")


def _types(hint: Any) -> set[type]:
    """Every class that a type hint names, inside of unions, containers and callables too."""
    found = {hint} if isinstance(hint, type) and not typing.get_origin(hint) else set()
    for part in typing.get_args(hint):
        for inner in part if isinstance(part, list) else [part]:
            found |= _types(inner)
    return found


def _signatures(thing: Any) -> Iterator[Any]:
    """What of a public name has type hints: the function itself, or a class's fields, methods, properties."""
    if inspect.isfunction(thing):
        yield thing
    if not inspect.isclass(thing):
        return
    if dataclasses.is_dataclass(thing):
        yield thing
    for name, member in vars(thing).items():
        inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(inner):
            yield inner


def test_every_type_that_a_public_signature_names_is_public() -> None:
    public = [getattr(scenivid, name) for name in scenivid.__all__]
    known = {"Tensor": torch.Tensor, **dict(zip(scenivid.__all__, public, strict=True))}
    hidden = {
        f"{where.__qualname__}: {kind.__module__}.{kind.__qualname__}"
        for thing in public
        for where in _signatures(thing)
        for hint in typing.get_type_hints(where, localns=known).values()
        for kind in _types(hint)
        if kind.__module__.startswith("scenivid.") and kind not in public
    }
    assert not hidden


def test_files_may_be_named_by_plain_strings(tmp_path: Path) -> None:
    frames = str(save(tmp_path / "frames", panning(3)))
    output = str(tmp_path / "out.mkv")
    settings = scenivid.StylizeSettings(style="none", codec="ffv1")
    assert scenivid.stylize(frames, output, settings).frames == 3
    assert scenivid.probe(output).width == scenivid.probe(frames).width
    with scenivid.open_video(output) as reader:
        assert sum(len(clip) for clip in reader.clips(2)) == 3
    quick = scenivid.FlickerSettings(device="cpu", perceptual=False)
    assert scenivid.evaluate_flicker(frames, output, None, quick).frames == 3
    assert len(scenivid.find_jobs(str(tmp_path), str(tmp_path / "all"), settings)) == 2


def test_the_whole_error_tree_is_public() -> None:
    tree = [scenivid.ScenividError]
    for error in tree:
        tree += error.__subclasses__()
        assert getattr(scenivid, error.__name__) is error


def test_all_is_what_dir_shows() -> None:
    assert dir(scenivid) == sorted(scenivid.__all__) == sorted(scenivid._HOME)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = scenivid.nonsense


def test_importing_the_package_doesnt_import_torch() -> None:
    code = "import sys, scenivid, scenivid.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
