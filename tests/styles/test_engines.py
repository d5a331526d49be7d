"""Engines for lite networks on the CPU: one picture, one choice, remembered."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scenes import texture

from scenivid.errors import ConfigError, ScenividError
from scenivid.machine.cores import Threads
from scenivid.nets.checkpoint import ModelCard
from scenivid.nets.lite import Lite, LiteParams
from scenivid.styles.engines import choice
from scenivid.styles.engines.choice import with_engine
from scenivid.styles.engines.openvino_run import OpenVinoRun
from scenivid.styles.stylizer import LiteStylizer

THREADS = Threads(2, 1, 1)
SMALL = LiteParams(widths=(16, 16, 16), head=8, brush=6)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path))
    return tmp_path / "engines"


@pytest.fixture
def stylizer() -> LiteStylizer:
    network = Lite(SMALL).eval().requires_grad_(False)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    return LiteStylizer(ModelCard("random", "lite"), network, torch.float32)


@pytest.mark.parametrize(("name", "module"), [("openvino", "openvino"), ("onnx", "onnxruntime")])
def test_every_engine_paints_the_same(stylizer: LiteStylizer, name: str, module: str, cache: Path) -> None:
    pytest.importorskip(module)
    image = texture(70, 100)
    wanted, _ = stylizer.translate(image, [True], None, None)
    for _ in range(2):  # converted, then from what was kept
        other, used = with_engine(stylizer, name, (70, 100), THREADS, [])
        assert used == name
        painted, _ = other.translate(image, [True], None, None)
        assert (painted - wanted).abs().mean() < 1.5 / 255
    assert list(cache.iterdir())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_openvino_keeps_to_the_precision(stylizer: LiteStylizer, dtype: torch.dtype) -> None:
    pytest.importorskip("openvino")
    network = stylizer.network.to(dtype)
    own = LiteStylizer(stylizer.card, network, dtype)
    wanted, _ = own.translate(texture(64, 96), [True], None, None)
    other, _ = with_engine(own, "openvino", (64, 96), THREADS, [])
    painted, _ = other.translate(texture(64, 96), [True], None, None)
    assert painted.dtype == torch.float32
    assert (painted - wanted).abs().mean() < (1e-4 if dtype == torch.float32 else 1.5 / 255)


def test_tiles_stay_with_torch(stylizer: LiteStylizer) -> None:
    def never(image: torch.Tensor) -> torch.Tensor:
        raise AssertionError("called")

    tiled = LiteStylizer(stylizer.card, stylizer.network, torch.float32, run=never)
    tiled.translate(texture(64, 96), [True], None, 64)


def test_auto_measures_once_and_remembers(stylizer: LiteStylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_SMALL", 0)
    monkeypatch.setattr(choice._Engines, "_worth_trying", lambda self, name: name == "openvino")
    opened: list[str] = []

    def measured(self: object, names: list[str]) -> dict[str, float]:
        opened.extend(names)
        return {"torch": 0.2, "openvino": 0.1}

    monkeypatch.setattr(choice._Engines, "_measured", measured)
    monkeypatch.setattr(choice._Engines, "open", lambda self, name: lambda image: image)
    notes: list[str] = []
    for _ in range(2):
        assert with_engine(stylizer, "auto", (64, 96), THREADS, notes)[1] == "openvino"
    assert opened == ["torch", "openvino"] and len(notes) == 1


def test_auto_stays_with_torch_for_small_pictures_and_little_gain(
    stylizer: LiteStylizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_engine(stylizer, "auto", (64, 96), THREADS, [])[1] == "torch"
    monkeypatch.setattr(choice, "_SMALL", 0)
    monkeypatch.setattr(choice._Engines, "_worth_trying", lambda self, name: name == "openvino")
    monkeypatch.setattr(choice._Engines, "_measured", lambda self, names: {"torch": 0.2, "openvino": 0.197})
    assert with_engine(stylizer, "auto", (64, 96), THREADS, [])[1] == "torch"


def test_a_damaged_memory_of_choices_is_made_again(
    stylizer: LiteStylizer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    (cache / "choices.json").write_text("[not json")
    monkeypatch.setattr(choice, "_SMALL", 0)
    monkeypatch.setattr(choice._Engines, "_worth_trying", lambda self, name: name == "onnx")
    monkeypatch.setattr(choice._Engines, "_measured", lambda self, names: {"torch": 0.1, "onnx": 0.2})
    assert with_engine(stylizer, "auto", (64, 96), THREADS, [])[1] == "torch"
    assert "torch" in (cache / "choices.json").read_text()


def test_wrong_names_and_kinds_are_clear_errors(stylizer: LiteStylizer) -> None:
    with pytest.raises(ConfigError, match="engine"):
        with_engine(stylizer, "tensorrt", (64, 96), THREADS, [])

    class Other:
        card = ModelCard("other", "onnx")

    with pytest.raises(ScenividError, match="lite"):
        with_engine(Other(), "openvino", (64, 96), THREADS, [])  # type: ignore[arg-type]


def test_openvino_s_input_is_kept_alive_while_it_is_read() -> None:
    openvino = pytest.importorskip("openvino")

    class Request:
        """Knows no more of its input than an address, as OpenVINO does."""

        def set_input_tensor(self, tensor: Any) -> None:
            assert isinstance(tensor, openvino.Tensor)
            self.address, self.shape = tensor.data.ctypes.data, tensor.data.shape

        def infer(self) -> None:
            count = int(np.prod(self.shape))
            churn = [torch.full(self.shape, float("nan")) for _ in range(8)]  # takes what has been let go
            self.seen = np.ctypeslib.as_array((ctypes.c_float * count).from_address(self.address)).copy()
            del churn

        def get_output_tensor(self) -> Any:
            return openvino.Tensor(self.seen.reshape(self.shape))

    class Compiled:
        def create_infer_request(self) -> Request:
            return Request()

    image = torch.rand(1, 3, 256, 256).to(memory_format=torch.channels_last)  # has to be copied
    assert torch.equal(OpenVinoRun(Compiled())(image), image)
