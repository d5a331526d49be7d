"""Weights files and ONNX networks that lie, loop or grow: refused in one line, in bounded time and memory."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from scenivid.errors import CheckpointError, ScenividError
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.styles import zoo
from scenivid.styles.onnx.opening import open_onnx
from scenivid.styles.onnx.options import OnnxOptions
from scenivid.styles.onnx.session import open_session, run_session
from scenivid.styles.published import import_checkpoint

CPU = torch.device("cpu")
SOUND = {"version": 1, "name": "a", "architecture": "lite", "params": {}}


def _file(path: Path, card: str) -> Path:
    path.write_bytes(save({"a": torch.zeros(3)}, {"format": "pt", "scenivid": card}))
    return path


def _card(**changes: Any) -> str:
    return json.dumps(SOUND | changes)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ("[" * 100_000, "damaged model card"),
        (_card().replace('{}', '{"a": ' + "[" * 900 + "]" * 900 + "}"), "damaged model card|bad parameters"),
        (_card(notes="x" * (2 << 20)), "damaged model card"),
        (_card(name=["a"]), "name of the wrong type"),
        (_card(description=3, params=[]), "damaged model card"),
        (_card(data=[1]), "data of the wrong type"),
        (_card(version="1"), "damaged model card"),
        ("3", "damaged model card"),
        (_card(architecture="translator", params={"blocks": 10**7}), "absurd values of blocks"),
        (_card(architecture="translator", params={"blocks": 60}), "doesn't fit"),
        (_card(architecture="translator", params={"width": 4096}), "doesn't fit"),
        (_card(architecture="translator", params={"width": 64.5}), "bad parameters"),
        (_card(architecture="translator", params={"width": -1}), "bad parameters"),
        (_card(architecture="translator", params={"width": "64"}), "bad parameters"),
        (_card(architecture="translator", params={"nonsense": 1}), "bad parameters"),
        (_card(params={"middle_dilations": [1] * 10_000}), "absurd values"),
        (_card(params={"middle_dilations": [float("nan")]}), "bad parameters"),
        (_card(params={"widths": [4096] * 4}), "doesn't fit|bad parameters"),
        (_card(params={"widths": None}), "bad parameters"),
        (_card(architecture="patch_discriminator", params={"layers": 60}), "bad parameters|doesn't fit"),
    ],
    ids=range(20),
)  # fmt: skip
def test_an_absurd_card_is_refused_before_it_costs_anything(card: str, says: str, tmp_path: Path) -> None:
    path = _file(tmp_path / "a.safetensors", card)
    began = time.process_time()
    with pytest.raises(CheckpointError, match=says) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert time.process_time() - began < 10


def test_an_absurd_card_among_the_installed_ones_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    _file(tmp_path / "models" / "deep.safetensors", "[" * 100_000)
    (tmp_path / "models" / "short.safetensors").write_bytes(b"\x80\x01")
    assert "aozora" in [entry.name for entry in zoo.entries()]


@pytest.mark.parametrize(
    "head", [b"\x80", b"\x80\x01", b"\x80\x02", b"\x80\x00\x00\x00\x00\x00\x00\x00{", b"", b"PK\x03\x04"]
)
@pytest.mark.parametrize("rest", [b"", b"}" * 20, bytes(200)], ids=len)
def test_a_file_that_ends_early_is_never_imported_and_never_crashes(
    head: bytes, rest: bytes, tmp_path: Path
) -> None:
    for suffix in (".safetensors", ".pth"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(head + rest)
        with pytest.raises(ScenividError):
            import_checkpoint(path, "a", tmp_path)
    assert not list(tmp_path.glob(".*"))


# ONNX


onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def _graph(path: Path, nodes: list[Any], constants: list[Any]) -> Path:
    helper, float_ = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("x", float_, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("y", float_, None)],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def _grows(path: Path, times: float) -> Path:
    scales = onnx.helper.make_tensor("s", onnx.TensorProto.FLOAT, [4], [1.0, 1.0, times, times])
    return _graph(path, [onnx.helper.make_node("Resize", ["x", "", "s"], ["y"], mode="nearest")], [scales])


def _loops(path: Path) -> Path:
    helper, types = onnx.helper, onnx.TensorProto
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("i", types.INT64, []),
            helper.make_tensor_value_info("go", types.BOOL, []),
            helper.make_tensor_value_info("a", types.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", types.BOOL, []),
            helper.make_tensor_value_info("b", types.FLOAT, None),
        ],
    )
    true = helper.make_tensor("true", types.BOOL, [], [True])
    return _graph(path, [helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)], [true])


def test_a_network_that_grows_is_refused_after_a_small_picture(tmp_path: Path) -> None:
    for times in (64.0, 16.0):
        with pytest.raises(CheckpointError, match="at most 8 times"):
            open_onnx(_grows(tmp_path / "a.onnx", times), CPU, OnnxOptions())
    style = open_onnx(_grows(tmp_path / "b.onnx", 2.0), CPU, OnnxOptions())
    assert style.translate(torch.rand(1, 3, 32, 32), [True], None, None)[0].shape == (1, 3, 32, 32)


def test_a_network_with_empty_output_is_refused(tmp_path: Path) -> None:
    none = onnx.helper.make_tensor("e", onnx.TensorProto.INT64, [1], [0])
    axes = onnx.helper.make_tensor("ax", onnx.TensorProto.INT64, [1], [2])
    node = onnx.helper.make_node("Slice", ["x", "e", "e", "ax"], ["y"])
    with pytest.raises(CheckpointError, match="not an image-to-image network"):
        open_onnx(_graph(tmp_path / "a.onnx", [node], [none, axes]), CPU, OnnxOptions())


def test_a_network_without_an_output_is_refused(tmp_path: Path) -> None:
    path = _grows(tmp_path / "a.onnx", 2.0)
    model = onnx.load(str(path))
    del model.graph.output[:]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match="has no output"):
        open_onnx(path, CPU, OnnxOptions())


def test_a_network_that_loops_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("opening", "probing"):
        monkeypatch.setattr(f"scenivid.styles.onnx.{room}.OPENING_S", 0.3)
    with pytest.raises(CheckpointError, match="took more than"):
        open_onnx(_loops(tmp_path / "a.onnx"), CPU, OnnxOptions(layout="nchw", value_range="unit"))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals differ there")
def test_a_network_that_loops_for_ever_ends_with_ctrl_c(tmp_path: Path) -> None:
    session = open_session(_loops(tmp_path / "a.onnx"), CPU)
    picture = torch.zeros(1, 3, 8, 8).numpy()
    began = time.monotonic()
    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        run_session(session, picture, "a.onnx")
    assert time.monotonic() - began < 2
    assert not any(thread.name == "scenivid-onnx" for thread in threading.enumerate())


def test_what_doesnt_fit_into_memory_is_an_error(tmp_path: Path) -> None:
    session = open_session(_grows(tmp_path / "a.onnx", 60_000.0), CPU)
    with pytest.raises(CheckpointError, match="memory"):
        run_session(session, torch.zeros(1, 3, 8, 8).numpy(), "a.onnx")


def test_a_damaged_onnx_file_is_one_line(tmp_path: Path) -> None:
    sound = _grows(tmp_path / "a.onnx", 2.0).read_bytes()
    for data in (b"", b"\x00", b"\x08", sound[:40], sound[:-5], b"\xff" * 500):
        (tmp_path / "b.onnx").write_bytes(data)
        with pytest.raises(CheckpointError) as caught:
            open_onnx(tmp_path / "b.onnx", CPU, OnnxOptions())
        assert "\n" not in str(caught.value)
