"""Estimators: direction and size of what they find, how they are chosen, which weights they take."""

from __future__ import annotations

import io
import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, ClassVar

import pytest
import scenes
import torch
from safetensors.torch import save_file
from torchvision.models import optical_flow
from torchvision.models.optical_flow import raft_small

from scenivid.errors import CheckpointError, ConfigError
from scenivid.flow import raft
from scenivid.flow.estimators import open_estimator
from scenivid.weights import catalogue, published

CPU = torch.device("cpu")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty download cache and no network."""

    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(raft, "embedded", lambda name: None)
    return tmp_path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with raft_small's keys and random values."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file({key: value.half() for key, value in raft_small(weights=None).state_dict().items()}, path)
    return path


def test_dis_flow_points_from_the_first_frame_to_where_it_is_in_the_second(device: torch.device) -> None:
    now, before = scenes.pan(2, 96, 128, step=3).flip(0).to(device)
    estimator = open_estimator("dis", device)
    assert estimator is not None and estimator.name == "dis"
    flow = estimator(now[None], before[None])
    assert flow.dtype is torch.float32 and flow.device.type == device.type
    inner = flow[..., 16:-16, 16:-16]
    assert (inner[:, 0] - 3).abs().mean() < 0.2
    assert inner[:, 1].abs().mean() < 0.2


def test_the_addresses_of_published_weights_are_torchvisions() -> None:
    for name, weights in (
        ("raft-large", optical_flow.Raft_Large_Weights.C_T_SKHT_V2),
        ("raft-small", optical_flow.Raft_Small_Weights.C_T_V2),
    ):
        published_file = catalogue.entry(name)
        assert published_file.url == weights.url and published_file.file == Path(weights.url).name
        assert published_file.file.endswith(f"-{published_file.sha256}.pth")


@pytest.mark.parametrize("size", [(1, 1), (7, 40), (31, 33)])
def test_small_frames_are_padded_not_refused(size: tuple[int, int], weights: Path) -> None:
    for name, file in (("dis", None), ("raft-small", weights)):
        estimator = open_estimator(name, CPU, file)
        assert estimator is not None
        assert estimator(torch.rand(2, 3, *size), torch.rand(2, 3, *size)).shape == (2, 2, *size)


def test_raft_takes_many_pairs_at_once_and_any_size(weights: Path, device: torch.device) -> None:
    estimator = open_estimator("raft-small", device, weights)
    assert estimator is not None and estimator.name == "raft-small"
    first, second = torch.rand(2, 2, 3, 130, 141, device=device)
    together = estimator(first, second)
    assert together.shape == (2, 2, 130, 141) and together.dtype is torch.float32
    alone = estimator(first[1:], second[1:])
    assert torch.allclose(together[1:], alone, atol=1e-2 * float(alone.abs().max()))


@pytest.mark.slow
def test_trained_raft_beats_no_flow_on_rubberwhale(shared: Path) -> None:
    path = shared.parent / "weights" / "raft_small_init.pt"
    if not path.is_file():
        pytest.skip("no start weights here")
    import cv2
    import numpy as np

    folder = shared / "flow" / "rubberwhale"
    first, second = (
        torch.from_numpy(cv2.imread(str(folder / name))[:, :, ::-1].copy()).permute(2, 0, 1)[None] / 255
        for name in ("frame10.png", "frame11.png")
    )
    raw = np.fromfile(folder / "flow_gt.flo", np.float32)[3:].reshape(*first.shape[-2:], 2)
    truth = torch.from_numpy(raw).permute(2, 0, 1)[None]
    known = (truth.abs() < 1e3).all(dim=1)
    for name, file, most in (("dis", None, 0.3), ("raft-small", path, 1.05)):  # zero flow: 1.26
        estimator = open_estimator(name, CPU, file)
        assert estimator is not None
        error = (estimator(first, second) - truth).norm(dim=1)[known].mean()
        assert error < most, f"{name}: {error:.2f} px"


def test_auto_is_dis_on_the_cpu_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        estimator = open_estimator("auto", CPU)
    assert estimator is not None and estimator.name == "dis"
    assert "dis on cpu" in caplog.text


def test_none_is_no_estimator_and_mistakes_are_named() -> None:
    assert open_estimator("none", CPU) is None
    with pytest.raises(ConfigError, match="raft-large, raft-small, dis, none"):
        open_estimator("farneback", CPU)
    with pytest.raises(ConfigError, match="belong to raft"):
        open_estimator("dis", CPU, Path("w.pth"))


def test_offline_without_weights_the_error_names_the_file_and_its_place(offline: Path) -> None:
    with pytest.raises(CheckpointError, match=r"raft_large_C_T_SKHT_V2-ff5fadd5\.pth.*checkpoints") as caught:
        open_estimator("raft-large", CPU)
    assert str(offline) in str(caught.value)


def test_raft_small_takes_the_embedded_weights_where_none_are_cached(
    offline: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raft, "embedded", lambda name: weights)
    estimator = open_estimator("raft-small", CPU)
    assert estimator is not None and estimator.name == "raft-small"


def test_cached_published_weights_need_no_network(offline: Path) -> None:
    place = offline / "hub" / "checkpoints" / "raft_small_C_T_V2-01064c6d.pth"
    place.parent.mkdir(parents=True)
    torch.save(raft_small(weights=None).state_dict(), place)
    assert open_estimator("raft-small", CPU) is not None


class _Answer(io.BytesIO):
    headers: ClassVar[dict[str, str]] = {}


def test_a_damaged_download_is_refused_and_leaves_nothing(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "reachable", lambda host: True)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: _Answer(b"half a file"))
    with pytest.raises(CheckpointError, match="damaged"):
        open_estimator("raft-large", CPU)
    assert not list(offline.rglob("*.p*"))


def test_files_that_are_no_raft_are_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(CheckpointError, match="doesn't hold raft-large"):
        open_estimator("raft-large", CPU, weights)
    with pytest.raises(CheckpointError, match="no such file"):
        open_estimator("raft-small", CPU, tmp_path / "absent.pth")
    for name in ("noise.pth", "noise.safetensors"):
        (tmp_path / name).write_bytes(b"not a checkpoint")
        with pytest.raises(CheckpointError, match="can't be read"):
            open_estimator("raft-small", CPU, tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="not a flat state dict"):
        open_estimator("raft-small", CPU, tmp_path / "list.pt")
