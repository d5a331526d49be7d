"""ONNX networks that take the style from a picture: one network of two inputs, or two networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import IDENTITY, run

from scenivid.errors import CheckpointError, ConfigError, InputError
from scenivid.styles import zoo
from scenivid.styles.onnx.opening import open_onnx
from scenivid.styles.onnx.options import OnnxOptions

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
CPU = torch.device("cpu")


def graph(path: Path, nodes: list[Any], inputs: dict[str, list[Any]], output: list[Any]) -> Path:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    constants = {
        "e": np.float32(1e-6),
        "one": np.int64([-1]),
        "flat": np.int64([1, -1]),
        "two": np.int64([3, 3]),
    }
    constants |= {"zero": np.float32(0), "unit": np.float32(1)}
    constants["column"] = np.int64([1, 3, 1, 1])
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info("styled", kind, output)],
            [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, str(path))
    return path


def moments(image: str, axes: list[int]) -> list[Any]:
    """IMAGE.mean and IMAGE.std, over rows and columns."""
    node = onnx.helper.make_node
    return [
        node("ReduceMean", [image], [f"{image}.mean"], axes=axes),
        node("Sub", [image, f"{image}.mean"], [f"{image}.centred"]),
        node("Mul", [f"{image}.centred", f"{image}.centred"], [f"{image}.squares"]),
        node("ReduceMean", [f"{image}.squares"], [f"{image}.variance"], axes=axes),
        node("Add", [f"{image}.variance", "e"], [f"{image}.positive"]),
        node("Sqrt", [f"{image}.positive"], [f"{image}.std"]),
    ]


def repaint(mean: str, std: str) -> list[Any]:
    node = onnx.helper.make_node
    return [
        node("Div", ["content.centred", "content.std"], ["plain"]),
        node("Mul", ["plain", std], ["spread"]),
        node("Add", ["spread", mean], ["styled"]),
    ]


def adain(
    path: Path,
    layout: str = "nchw",
    style: Any = ("sh", "sw"),
    alpha: bool = False,
    swap: bool = False,
    clip: bool = False,
) -> Path:
    """Adaptive instance normalisation of the pixels themselves."""
    axes, extent = ([2, 3], [1, 3, "h", "w"]) if layout == "nchw" else ([1, 2], [1, "h", "w", 3])
    other = [1, 3, *style] if layout == "nchw" else [1, *style, 3]
    inputs = {"style": other, "content": extent} if swap else {"content": extent, "style": other}
    nodes = moments("content", axes) + moments("style", axes) + repaint("style.mean", "style.std")
    if alpha:
        inputs["alpha"] = [1]
        nodes[-1] = onnx.helper.make_node("Add", ["spread", "style.mean"], ["full"])
        nodes.append(onnx.helper.make_node("Mul", ["full", "alpha"], ["styled"]))
    if clip:
        nodes[-1] = onnx.helper.make_node("Add", ["spread", "style.mean"], ["full"])
        nodes.append(onnx.helper.make_node("Clip", ["full", "zero", "unit"], ["styled"]))
    return graph(path, nodes, inputs, extent)


def two_parts(folder: Path) -> tuple[Path, Path]:
    """A predictor of six numbers, and a network that paints with them."""
    node = onnx.helper.make_node
    predictor = graph(
        folder / "predict.onnx",
        [
            *moments("style", [2, 3]),
            node("Concat", ["style.mean", "style.std"], ["both"], axis=1),
            node("Reshape", ["both", "flat"], ["styled"]),
        ],
        {"style": [1, 3, 48, 48]},
        [1, 6],
    )
    painter = graph(
        folder / "paint.onnx",
        [
            *moments("content", [2, 3]),
            node("Split", ["vector", "two"], ["m", "s"], axis=1),
            node("Reshape", ["m", "column"], ["mean"]),
            node("Reshape", ["s", "column"], ["std"]),
            *repaint("mean", "std"),
        ],
        {"content": [1, 3, "h", "w"], "vector": [1, 6]},
        [1, 3, "h", "w"],
    )
    return predictor, painter


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Dark orange, a little uneven."""
    y, x = np.mgrid[:40, :60]
    pixels = np.stack([120 + x, 60 + y // 2, 20 + (x + y) // 8], 2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def check(styled: torch.Tensor, picture: Path) -> None:
    wanted = torch.from_numpy(np.array(Image.open(picture))).permute(2, 0, 1) / 255
    torch.testing.assert_close(styled.mean((0, 2, 3)), wanted.mean((1, 2)), atol=0.03, rtol=0)
    torch.testing.assert_close(styled.std((0, 2, 3)), wanted.std((1, 2)), atol=0.03, rtol=0)


@pytest.mark.parametrize("how", [
    {}, {"layout": "nhwc"}, {"style": (64, 64)}, {"swap": True}, {"alpha": True},
], ids=["plain", "channels last", "a style of fixed size", "style first", "a strength input"])  # fmt: skip
def test_a_network_with_two_pictures_paints_like_the_second(
    tmp_path: Path, picture: Path, how: dict[str, Any]
) -> None:
    stylizer = open_onnx(adain(tmp_path / "n.onnx", **how), CPU, OnnxOptions(), picture)
    frames = torch.rand(2, 3, 64, 96)
    styled, _ = stylizer.translate(frames, [True, False], None, None)
    check(styled, picture)
    flat = styled[0, 0].flatten()
    assert float(torch.corrcoef(torch.stack([flat, frames[0, 0].flatten()]))[0, 1]) > 0.98


def test_the_range_is_found_by_a_picture_in_its_own_style(tmp_path: Path, picture: Path) -> None:
    stylizer = open_onnx(adain(tmp_path / "n.onnx", clip=True), CPU, OnnxOptions(), picture)
    assert stylizer.options.value_range == "unit"


def test_a_style_vector_comes_from_the_network_beside(tmp_path: Path, picture: Path) -> None:
    predictor, painter = two_parts(tmp_path)
    frames = torch.rand(1, 3, 64, 96)
    for style in (painter, predictor):  # whichever half is named
        check(
            zoo.load_style(str(style), CPU, style_image=picture).translate(frames, [True], None, None)[0],
            picture,
        )
    apart = tmp_path / "elsewhere"
    apart.mkdir()
    moved = predictor.rename(apart / "predict.onnx")
    with pytest.raises(CheckpointError, match=r"vector of 6 numbers: give the network .* --style-predictor"):
        zoo.load_style(str(painter), CPU, style_image=picture)
    check(
        open_onnx(painter, CPU, OnnxOptions(), picture, moved).translate(frames, [True], None, None)[0],
        picture,
    )


def test_a_style_picture_is_asked_for_and_refused_where_it_means_nothing(
    tmp_path: Path, picture: Path
) -> None:
    path = adain(tmp_path / "n.onnx")
    with pytest.raises(ConfigError, match="name one with --style-image"):
        open_onnx(path, CPU, OnnxOptions())
    with pytest.raises(InputError, match="no such file"):
        open_onnx(path, CPU, OnnxOptions(), tmp_path / "none.png")
    with pytest.raises(ConfigError, match="takes none; --like gives any style"):
        zoo.load_style("aozora", CPU, style_image=picture)
    with pytest.raises(ConfigError, match="takes none; --like gives any style"):
        zoo.load_style("aozora", CPU, style_predictor=path)


def test_footage_without_a_style_takes_no_style_picture(clip: Path, picture: Path) -> None:
    with pytest.raises(ConfigError, match="none takes none"):
        run(clip, "out.mkv", replace(IDENTITY, style="none", style_image=picture))


def test_videos_take_a_style_picture_with_coherence(clip: Path, picture: Path) -> None:
    settings = replace(
        IDENTITY,
        style=str(adain(clip.parent / "n.onnx")),
        style_image=picture,
        consistency=0.7,
        overwrite=True,
    )
    frames, _ = run(clip, "out.mkv", settings)
    assert len(frames) == 11
    red, green, blue = (frames.float() / 255).mean((0, 2, 3)).tolist()
    assert red > green + 0.1 and green > blue + 0.05
