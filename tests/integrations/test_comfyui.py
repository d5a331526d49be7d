"""The ComfyUI nodes without ComfyUI: a batch of images in, the engine's own output out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from small_runs import read

import scenivid
from scenivid import StylizeSettings

FOLDER = Path(__file__).resolve().parents[2] / "integrations" / "comfyui"


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The folder loaded as ComfyUI loads it: under a name of its own choosing."""
    spec = importlib.util.spec_from_file_location(
        "custom_scenivid", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "custom_scenivid", module)
    spec.loader.exec_module(module)
    del sys.modules["custom_scenivid.nodes"]
    return module


def _images(clip: Path) -> torch.Tensor:
    pixels, _ = read(clip)
    return pixels.permute(0, 2, 3, 1).float() / 255


def test_every_node_says_what_it_takes_and_gives(package: ModuleType) -> None:
    assert package.NODE_CLASS_MAPPINGS.keys() == package.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in package.NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()["required"]
        assert inputs["images"] == ("IMAGE",) and "aozora" in inputs["style"][0]
        assert node.RETURN_TYPES == ("IMAGE",) and callable(getattr(node, node.FUNCTION))


def test_frames_are_the_engines_own_to_within_a_level(clip: Path, style: str, package: ModuleType) -> None:
    node = package.NODE_CLASS_MAPPINGS["ScenividStylizeFrames"]()
    images = _images(clip)
    (made,) = node.stylize(images, style, consistency=0.7, device="cpu")
    settings = StylizeSettings(style=style, device="cpu")
    expected = torch.stack(
        [torch.from_numpy(pixels).float() / 255 for pixels, _ in scenivid.frames(clip, settings)]
    )
    assert made.shape == images.shape and made.dtype == torch.float32
    assert float((made - expected).abs().max()) <= 1 / 255
    assert float((made - images).abs().max()) > 1 / 255


def test_pictures_know_nothing_of_each_other(clip: Path, style: str, package: ModuleType) -> None:
    node = package.NODE_CLASS_MAPPINGS["ScenividStylizePictures"]()
    images = _images(clip)[:3]
    (made,) = node.stylize(images, style, device="cpu")
    (turned,) = node.stylize(images.flip(0), style, device="cpu")
    assert torch.equal(turned.flip(0), made)


def test_the_hosts_button_stops_the_node(
    clip: Path, style: str, package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Exception):
        pass

    def interrupted() -> None:
        raise Interrupted

    steps: list[int] = []
    management, utils = ModuleType("comfy.model_management"), ModuleType("comfy.utils")
    management.throw_exception_if_processing_interrupted = interrupted  # type: ignore[attr-defined]
    utils.ProgressBar = lambda total: type("Bar", (), {"update": steps.append})()  # type: ignore[attr-defined]
    for name, module in (
        ("comfy", ModuleType("comfy")),
        (management.__name__, management),
        ("comfy.utils", utils),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    node = package.NODE_CLASS_MAPPINGS["ScenividStylizeFrames"]()
    with pytest.raises(Interrupted):
        node.stylize(_images(clip), style, consistency=0.0, device="cpu")
    assert not steps
