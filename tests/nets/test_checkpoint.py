"""Weights files: what is kept, what is refused, and what the refusal says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from scenivid.errors import CheckpointError, OutputError
from scenivid.nets.checkpoint import ModelCard, load_checkpoint, read_card, save_checkpoint
from scenivid.nets.discriminators import PatchDiscriminator, PatchParams
from scenivid.nets.lite import Lite, LiteParams
from scenivid.nets.translator import Translator, TranslatorParams

PARAMS = LiteParams(widths=(16, 16, 16), encode_blocks=(0, 0), middle_dilations=(2,), decode_blocks=(1, 0))
CARD = ModelCard(
    name="paint",
    architecture="lite",
    params=dataclasses.asdict(PARAMS),
    licence="Apache-2.0",
    data=("photos: public domain", "paintings: GPL-2+"),
    recipe="train/recipes/paint.toml",
    figures={"params": 12345, "ms": 1.5},
    limits="faces",
)


def saved(folder: Path, dtype: torch.dtype | None = None) -> tuple[Path, Lite]:
    network = Lite(PARAMS).eval()
    path = folder / "deep" / "paint.safetensors"
    save_checkpoint(path, network, CARD, dtype)
    return path, network


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_weights_and_card_come_back(tmp_path: Path, dtype: torch.dtype | None) -> None:
    path, network = saved(tmp_path, dtype)
    loaded, card = load_checkpoint(path)
    assert card == read_card(path)
    assert card.data == CARD.data and card.figures == CARD.figures and card.licence == "Apache-2.0"
    assert isinstance(loaded, Lite) and loaded.params == PARAMS and not loaded.training
    for key, value in network.state_dict().items():
        expected = value if dtype is None else value.to(dtype).float()
        assert torch.equal(loaded.state_dict()[key], expected), key
    assert [entry.name for entry in path.parent.iterdir()] == ["paint.safetensors"]


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    full, _ = saved(tmp_path / "a")
    half, _ = saved(tmp_path / "b", torch.float16)
    assert half.stat().st_size < 0.6 * full.stat().st_size


@pytest.mark.parametrize(
    ("module", "architecture"),
    [
        (Translator(TranslatorParams(4, 1)), "translator"),
        (PatchDiscriminator(PatchParams(6, 4, 2)), "patch_discriminator"),
    ],
)
def test_every_architecture_comes_back(tmp_path: Path, module: nn.Module, architecture: str) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, module, ModelCard("x", architecture, vars(module.params)))
    loaded, _ = load_checkpoint(path)
    assert loaded.state_dict().keys() == module.state_dict().keys()


def test_a_network_of_another_room_is_built_by_its_own_function(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, nn.Linear(2, 3), ModelCard("x", "linear", {"width": 3}))
    loaded, _ = load_checkpoint(path, lambda params: nn.Linear(2, params["width"]))
    assert isinstance(loaded, nn.Linear)
    with pytest.raises(CheckpointError, match=r"'linear' network; expected one of: lite"):
        load_checkpoint(path)


def test_a_misfit_is_described(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = Lite(PARAMS).state_dict()
    tensors.pop("stem.bias")
    tensors["stem.weight"] = torch.zeros(16, 3, 5, 5)
    tensors["extra"] = torch.zeros(1)
    header = {"scenivid": json.dumps({"version": 1, **dataclasses.asdict(CARD)})}
    save_file(tensors, path, metadata=header)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert "1 missing (stem.bias)" in message and "1 unexpected (extra)" in message
    assert "stem.weight is [16, 3, 5, 5], expected [16, 3, 8, 8]" in message and "\n" not in message


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    network = Lite(PARAMS)
    with torch.no_grad():
        network.out.bias[0] = float("nan")
    save_checkpoint(path, network, CARD)
    with pytest.raises(CheckpointError, match="NaN"):
        load_checkpoint(path)


def test_bad_parameters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for params in ({"widths": [16, 17, 16, 16]}, {"colour": 1}):
        save_checkpoint(path, Lite(PARAMS), dataclasses.replace(CARD, params=params))
        with pytest.raises(CheckpointError, match="bad parameters for 'lite'"):
            load_checkpoint(path)


def _wrong_files(folder: Path) -> dict[str, Path]:
    path, network = saved(folder)
    files = {
        name: folder / f"{name}.safetensors"
        for name in ("text", "pickle", "short", "cut", "foreign", "empty")
    }
    files["text"].write_text("this is not a network, but a rather long text")
    torch.save(network.state_dict(), files["pickle"])
    files["short"].write_bytes(path.read_bytes()[:-100])
    files["cut"].write_bytes(path.read_bytes()[:50])
    files["empty"].write_bytes(b"")
    save_file({"a": torch.zeros(2)}, files["foreign"])
    return files | {"folder": folder, "missing": folder / "nothing.safetensors"}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("text", "not a safetensors file"),
        ("pickle", "pickled torch file.*styles import"),
        ("short", "damaged or incomplete"),
        ("cut", "incomplete"),
        ("foreign", "without a scenivid model card"),
        ("empty", "not a safetensors file"),
        ("folder", "is a folder"),
        ("missing", "can't read"),
    ],
)
def test_wrong_files_get_one_clear_line(tmp_path: Path, kind: str, says: str) -> None:
    path = _wrong_files(tmp_path)[kind]
    with pytest.raises(CheckpointError, match=says) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_card_from_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"scenivid": json.dumps({"version": 99, "name": "x"})})
    with pytest.raises(CheckpointError, match="newer scenivid"):
        read_card(path)
    save_file({"a": torch.zeros(1)}, path, metadata={"scenivid": "{"})
    with pytest.raises(CheckpointError, match="damaged model card"):
        read_card(path)


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="can't be written"):
        save_checkpoint(tmp_path / "file" / "x.safetensors", Lite(PARAMS), CARD)
    target = tmp_path / "target.safetensors"
    target.mkdir()
    with pytest.raises(OutputError, match="can't be written"):
        save_checkpoint(target, Lite(PARAMS), CARD)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "target.safetensors"]


def test_a_header_whose_length_begins_like_a_pickle_is_no_pickle(tmp_path: Path) -> None:
    network = Lite(PARAMS)
    for filler in range(0, 300, 4):
        path = tmp_path / f"{filler}.safetensors"
        save_checkpoint(path, network, dataclasses.replace(CARD, notes="n" * filler))
        if path.read_bytes()[:1] == b"\x80":
            break
    else:
        pytest.fail("no header of such a length was made")
    assert load_checkpoint(path)[1].name == CARD.name
