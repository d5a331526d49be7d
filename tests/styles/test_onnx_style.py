"""ONNX styles: layouts, ranges, sizes, refusals; and our own networks there and back."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scenivid.errors import CheckpointError, ConfigError, DependencyError, OutputError
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams
from scenivid.nets.translator import Translator, TranslatorParams, initialise
from scenivid.styles import zoo
from scenivid.styles.onnx.export import export_onnx
from scenivid.styles.onnx.opening import open_onnx
from scenivid.styles.onnx.options import OnnxOptions

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
CPU = torch.device("cpu")
RANGES = {"signed": (2.0, -1.0), "unit": (1.0, 0.0), "byte": (255.0, 0.0)}
GAIN = (0.9, 0.7, 0.5)
"""What the test networks do, in [0, 1]: a power of 0.8, then a factor for red, green and blue."""


def write(
    path: Path,
    value_range: str = "unit",
    layout: str = "nchw",
    shape: tuple[Any, Any, Any] = (1, "h", "w"),
    rank: int = 4,
    channels: int = 3,
    inputs: int = 1,
    element: int = onnx.TensorProto.FLOAT,
) -> Path:
    """A network that wants pixels in a range, maps them to [0, 1], clips, grades, and maps back."""
    helper = onnx.helper
    batch, height, width = shape
    extent = [batch, channels, height, width] if layout == "nchw" else [batch, height, width, channels]
    extent = extent[:rank]
    scale, offset = RANGES[value_range]
    gain = np.array(GAIN[:channels] if channels <= 3 else [1.0] * channels, dtype=np.float32)
    if layout == "nchw" and rank == 4:
        gain = gain[:, None, None]
    dtype = np.float16 if element == onnx.TensorProto.FLOAT16 else np.float32
    constants = {"gain": gain, "scale": np.float32(scale), "offset": np.float32(offset)}
    constants |= {"zero": np.float32(0), "one": np.float32(1), "tone": np.float32(0.8)}
    nodes = [
        helper.make_node("Sub", ["image", "offset"], ["a"]),
        helper.make_node("Div", ["a", "scale"], ["b"]),
        helper.make_node("Clip", ["b", "zero", "one"], ["c"]),
        helper.make_node("Pow", ["c", "tone"], ["d"]),
        helper.make_node("Mul", ["d", "gain"], ["e"]),
        helper.make_node("Mul", ["e", "scale"], ["f"]),
        helper.make_node("Add", ["f", "offset"], ["styled"]),
    ]
    names = ["image", "other", "third"][:inputs]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, element, extent) for name in names],
        [helper.make_tensor_value_info("styled", element, extent)],
        [onnx.numpy_helper.from_array(np.asarray(value, dtype), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def expected(frames: torch.Tensor, gain: tuple[float, ...] = GAIN) -> torch.Tensor:
    return frames**0.8 * torch.tensor(gain)[:, None, None]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("value_range", ["signed", "unit", "byte"])
def test_layout_and_range_are_detected(tmp_path: Path, layout: str, value_range: str) -> None:
    stylizer = open_onnx(write(tmp_path / "n.onnx", value_range, layout), CPU, OnnxOptions())
    assert (stylizer.options.layout, stylizer.options.value_range) == (layout, value_range)
    frames = torch.rand(3, 3, 45, 70)
    styled, state = stylizer.translate(frames, [True, False, False], None, None)
    assert state is None
    torch.testing.assert_close(styled, expected(frames), atol=1e-5, rtol=0)


def test_options_win_over_detection(tmp_path: Path) -> None:
    path = write(tmp_path / "n.onnx")
    frames = torch.rand(1, 3, 40, 40)
    styled, _ = open_onnx(path, CPU, OnnxOptions(channels="bgr")).translate(frames, [True], None, None)
    torch.testing.assert_close(styled, expected(frames, GAIN[::-1]), atol=1e-5, rtol=0)
    assert open_onnx(path, CPU, OnnxOptions(value_range="byte")).options.value_range == "byte"
    with pytest.raises(ConfigError, match="expected one of: auto, nchw, nhwc"):
        OnnxOptions(layout="chwn")


def test_half_precision_networks_run(tmp_path: Path) -> None:
    path = write(tmp_path / "n.onnx", element=onnx.TensorProto.FLOAT16)
    frames = torch.rand(1, 3, 33, 40)
    styled, _ = open_onnx(path, CPU, OnnxOptions()).translate(frames, [True], None, None)
    torch.testing.assert_close(styled, expected(frames), atol=2e-3, rtol=0)


@pytest.mark.parametrize("size", [(48, 64), (90, 160), (20, 100)])
def test_a_fixed_size_keeps_the_aspect(tmp_path: Path, size: tuple[int, int]) -> None:
    stylizer = open_onnx(write(tmp_path / "n.onnx", shape=(1, 64, 64)), CPU, OnnxOptions())
    y, x = torch.meshgrid(torch.linspace(0, 1, size[0]), torch.linspace(0, 1, size[1]), indexing="ij")
    frames = torch.stack([x, y, (x + y) / 2])[None]
    styled, _ = stylizer.translate(frames, [True], None, None)
    assert (styled - expected(frames)).abs().max() < 0.05  # smooth content survives the scaling


@pytest.mark.parametrize("shape", [(1, 64, 96), (1, "h", "w"), (1, 64, "w")])
def test_tiles_are_windows_of_its_own_size(tmp_path: Path, shape: tuple[Any, ...]) -> None:
    stylizer = open_onnx(write(tmp_path / "n.onnx", shape=shape), CPU, OnnxOptions())
    frames = torch.rand(1, 3, 150, 75)
    styled, _ = stylizer.translate(frames, [True], None, 64)
    torch.testing.assert_close(styled, expected(frames), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 2}, {"channels": 4}, {"inputs": 3}, {"channels": 1}],
    ids=["a matrix", "four channels", "three inputs", "grey"],
)
def test_networks_of_another_kind_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="not an image-to-image network"):
        open_onnx(write(tmp_path / "n.onnx", **wrong), CPU, OnnxOptions())


def test_a_classifier_is_refused(tmp_path: Path) -> None:
    helper = onnx.helper
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, 64, 64])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [1, 3, 1, 1])
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["image"], ["scores"])], "g", [image], [scores]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "n.onnx"))
    with pytest.raises(CheckpointError, match="not an image-to-image network"):
        open_onnx(tmp_path / "n.onnx", CPU, OnnxOptions())


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a network")
    for name, says in (("text.onnx", "not a usable ONNX file"), ("none.onnx", "no file")):
        with pytest.raises(CheckpointError, match=says) as caught:
            zoo.load_style(str(tmp_path / name), CPU)
        assert "\n" not in str(caught.value)


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "n.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DependencyError, match=r"scenivid\[onnx\]"):
        zoo.load_style(str(path), CPU)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lite", "translator"])
def test_our_networks_go_there_and_back(tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    source, target = tmp_path / "x.safetensors", tmp_path / "out" / "x.onnx"
    if kind == "lite":
        params = LiteParams((16, 16, 16), (0, 0), (1,), (1, 0), dial=True, brush=6)
        network: torch.nn.Module = Lite(params)
        with torch.no_grad():
            network.out.weight.mul_(30)
        save_checkpoint(source, network, ModelCard("x", "lite", dataclasses.asdict(params)))
    else:
        network = Translator(TranslatorParams(4, 1))
        initialise(network, 1.0)
        save_checkpoint(source, network, ModelCard("x", "translator", {"width": 4, "blocks": 1}))
    assert export_onnx(str(source), target) < 1e-3
    assert capfd.readouterr() == ("", "")
    assert b".py" not in target.read_bytes()  # where on this machine the exported code lies
    frames = torch.rand(2, 3, 64, 96)
    there = zoo.load_style(str(target), CPU)
    here = zoo.load_style(str(source), CPU, "fp32", smoothing=0)
    assert there.card.architecture == "onnx"
    if kind == "lite":  # the translator normalises over the padding too, and ONNX frames are padded further
        for left, right in zip(
            there.translate(frames, [True, False], None, None)[0],
            here.translate(frames, [True, False], None, None)[0],
            strict=True,
        ):
            assert (left - right).abs().max() < 2e-3
    else:
        left = there.translate(frames[..., :32, :64], [True, False], None, None)[0]
        assert (left - here.translate(frames[..., :32, :64], [True, False], None, None)[0]).abs().max() < 1e-3


def test_an_export_wants_its_suffix(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"should end in \.onnx"):
        export_onnx("anything", tmp_path / "x.pt")
