"""What every test shares: devices, the optional shared data, quiet threads."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does; read when torch loads

import torch
from small_runs import make_clip, random_style

from scenivid.nets.lite import LiteParams

# Ignored in the background and under nohup, but tested all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

SHARED = Path(os.environ.get("SCENIVID_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def devices() -> list[str]:
    """Every device to test on; a machine that must have a GPU fails instead of skipping."""
    if torch.cuda.is_available():
        return ["cpu", "cuda"]
    if os.environ.get("SCENIVID_REQUIRE_CUDA") == "1":
        raise RuntimeError("SCENIVID_REQUIRE_CUDA=1 but torch sees no CUDA device")
    return ["cpu"]


@pytest.fixture(params=devices())
def device(request: pytest.FixtureRequest) -> torch.device:
    """Run the test once a device."""
    return torch.device(request.param)


@pytest.fixture
def shared() -> Path:
    """Folder of real clips and flow pairs; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("shared test data is not here (set SCENIVID_TEST_DATA)")
    return SHARED


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """The same seed for every test, and no log handler left by the command line."""
    torch.manual_seed(0)
    yield
    logging.getLogger("scenivid").handlers.clear()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Eleven frames of moving colour, lossless, with an uneven rate."""
    return make_clip(tmp_path / "in.mkv")


@pytest.fixture
def style(tmp_path: Path) -> str:
    """A lite network with random weights."""
    return random_style(tmp_path, LiteParams())
