"""Lite networks run by OpenVINO from their weights file: torch's pictures, without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import texture

from scenivid.colour import MATRICES, to_planes
from scenivid.engine.bench.clips import make_clip
from scenivid.errors import CheckpointError
from scenivid.machine.cores import Threads
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams
from scenivid.styles.engines.graph_style import GraphStyle, graph_style
from scenivid.styles.places import embedded_dir
from scenivid.styles.stylizer import stylizer_for

pytest.importorskip("openvino")
ONE = Threads(1, 1, 1)
SHAPES = (
    LiteParams(widths=(16, 24, 32), head=8, brush=6, tone=8, dial=True),
    LiteParams(widths=(16, 16, 16), head=8, line=False, middle_dilations=(2, 1, 4)),
    LiteParams(widths=(16, 16, 16), head=16, dial=True, encode_blocks=(2, 0), decode_blocks=(0, 2)),
)


def _saved(folder: Path, params: LiteParams) -> Path:
    torch.manual_seed(0)
    network = Lite(params).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.03 * torch.randn_like(weight))
    path = folder / "style.safetensors"
    save_checkpoint(path, network, ModelCard("random", "lite", vars(params)))
    return path


def _graph(path: Path, precision: str = "fp32", strength: float = 1.0) -> GraphStyle:
    style = graph_style(path, precision, strength)
    assert style is not None
    return style


@pytest.mark.parametrize("params", SHAPES, ids=str)
@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_the_graph_is_the_network(tmp_path: Path, params: LiteParams, strength: float) -> None:
    from scenivid.nets.checkpoint import load_checkpoint

    path = _saved(tmp_path, params)
    stylizer = stylizer_for(*load_checkpoint(path), torch.device("cpu"), "fp32", 0.0, strength)
    style = _graph(path, strength=strength)
    assert (style.ink is None) == (stylizer.ink is None)
    assert style.strength == stylizer.strength and style.paint_size == stylizer.paint_size
    for size in ((64, 96), (70, 101), (7, 40), (2, 4)):
        image = texture(*size)
        wanted, _ = stylizer.translate(image, [True], None, None)
        painted, _ = style.painter(size, ONE).paint(image[0].numpy(), True, None)
        assert np.abs(painted - wanted[0].numpy()).max() < 1e-4


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("size", "tile", "windows"), [((60, 970), 64, 2), ((420, 70), 64, 2), ((433, 840), 80, 4)]
)
def test_tiles_make_no_difference(precision: str, size: tuple[int, int], tile: int, windows: int) -> None:
    style = _graph(embedded_dir() / "aozora.safetensors", precision)
    image = texture(*size)[0].numpy()
    whole, _ = style.painter(size, ONE).paint(image, True, None)
    tiled = style.painter(size, ONE, tile)
    assert len(tiled._windows) == windows
    assert tiled._windows[0][1].shape[1] >= min(816, size[1])  # narrower, sums come in another order
    assert np.array_equal(whole, tiled.paint(image, True, None)[0])


@pytest.mark.parametrize("params", SHAPES, ids=str)
def test_planes_are_those_of_the_picture(tmp_path: Path, params: LiteParams) -> None:
    painter = _graph(_saved(tmp_path, params)).painter((70, 100), ONE)
    image, matrix = texture(70, 100)[0].numpy(), MATRICES["bt709"]
    picture, _ = painter.paint(image, True, None)
    found = painter.paint_planes(image, matrix)
    assert found is not None
    luma, chroma = to_planes(picture[:3], matrix)
    assert np.array_equal(found[0], luma) and np.array_equal(found[1], chroma)
    line = found[2]
    assert np.array_equal(line, picture[3]) if params.line and line is not None else line is None
    odd = texture(71, 100)[0].numpy()
    assert _graph(_saved(tmp_path, params)).painter((71, 100), ONE).paint_planes(odd, matrix) is None


def test_bytes_and_bfloat16_stay_near_the_network() -> None:
    image = texture(96, 128)[0].numpy()
    path = embedded_dir() / "aozora.safetensors"
    exact, short = (
        _graph(path, precision).painter((96, 128), ONE).paint(image, True, None)[0]
        for precision in ("fp32", "bf16")
    )
    assert np.abs(exact - short).mean() < 0.5 / 255


def test_other_networks_are_left_to_torch(tmp_path: Path) -> None:
    path = _saved(tmp_path, SHAPES[0])
    assert graph_style(path, "fp16", 1.0) is None  # refused where the message is
    save_checkpoint(path, torch.nn.Linear(2, 2), ModelCard("other", "patch_discriminator"))
    assert graph_style(path, "auto", 1.0) is None
    save_checkpoint(path, Lite(SHAPES[0]), ModelCard("wrong", "lite", vars(SHAPES[1])))
    assert graph_style(path, "auto", 1.0) is None
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError):
        graph_style(path, "auto", 1.0)


def test_a_plain_run_loads_no_torch(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", 64, 96, 3)
    code = (
        "import sys; from pathlib import Path; from scenivid import StylizeSettings, probe, stylize;"
        f"probe(Path({str(source)!r}));"
        f"stylize(Path({str(source)!r}), Path({str(tmp_path / 'out.mp4')!r}), StylizeSettings(device='cpu'));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
