"""States survive a file bit for bit, and a hostile file can't make anything but states."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scenivid.engine.segments.states import load_states, save_states
from scenivid.errors import CheckpointError
from scenivid.styles.layerwise import Moments


def test_every_kind_of_value_comes_back_as_it_was(tmp_path: Path) -> None:
    shared = torch.rand(4, 5)
    states = (
        ("flow", ({"image": np.arange(6, dtype=np.uint8).reshape(2, 3), "count": np.array(7)}, {})),
        ("translate", [Moments(torch.rand(1, 3), torch.rand(1, 3).double()), None]),
        ("steady", (False, {"luma": np.random.default_rng(0).random((3, 4), np.float32)})),
        ("more", (shared, shared[1:, ::2], torch.tensor(float("nan")), np.float32(0.1), 0.1, "naïve")),
    )
    save_states(states, tmp_path / "s")
    back = load_states(tmp_path / "s")
    assert [name for name, _ in back] == ["flow", "translate", "steady", "more"]
    image = back[0][1][0]["image"]
    assert image.dtype == np.uint8 and np.array_equal(image, states[0][1][0]["image"])
    assert back[0][1][0]["count"].shape == () and back[0][1][1] == {}
    moments = back[1][1][0]
    assert isinstance(moments, Moments) and torch.equal(moments.mean, states[1][1][0].mean)
    assert moments.variance.dtype == torch.float64 and back[1][1][1] is None
    assert back[2][1][0] is False
    assert back[2][1][1]["luma"].tobytes() == states[2][1][1]["luma"].tobytes()
    more = back[3][1]
    assert torch.equal(more[1], shared[1:, ::2]) and torch.isnan(more[2])
    assert more[3].dtype == np.float32 and more[3:] == (np.float32(0.1), 0.1, "naïve")


def test_what_cant_be_stored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="can't hold a object"):
        save_states((object(),), tmp_path / "s")


@pytest.mark.parametrize(
    "name", ["os:system", "scenivid.engine:stylize", "scenivid.nowhere:X", "subprocess:Popen"]
)
def test_a_file_makes_nothing_but_our_dataclasses(tmp_path: Path, name: str) -> None:
    structure = json.dumps({"class": name, "fields": {}})
    save_file({}, tmp_path / "s", {"structure": structure})
    with pytest.raises(CheckpointError, match="damaged"):
        load_states(tmp_path / "s")


def test_damage_and_absence_are_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"\x10\0\0\0")
    for name in ("short", "absent"):
        with pytest.raises(CheckpointError, match="begin again without --resume"):
            load_states(tmp_path / name)
