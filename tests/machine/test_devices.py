"""Devices and ONNX Runtime's providers: those that are there, and one line about those that aren't."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from scenivid.errors import ConfigError
from scenivid.machine.devices import choose_dtype, resolve_device
from scenivid.styles.engines import providers
from scenivid.styles.engines.providers import providers_for
from scenivid.styles.onnx import session

ALL = [
    "TensorrtExecutionProvider", "CUDAExecutionProvider", "CoreMLExecutionProvider", "DmlExecutionProvider",
    "OpenVINOExecutionProvider", "CPUExecutionProvider",
]  # fmt: skip


def test_apples_and_intels_gpus_are_accepted_where_torch_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 2)
    assert resolve_device("mps") == torch.device("mps")
    assert resolve_device("xpu:1") == torch.device("xpu:1")
    assert choose_dtype("auto", torch.device("mps")) is torch.float32
    assert choose_dtype("auto", torch.device("xpu")) is torch.bfloat16
    with pytest.raises(ConfigError, match="torch sees 2 XPU devices"):
        resolve_device("xpu:2")


@pytest.mark.parametrize(
    ("name", "says"),
    [("mps", "0 MPS devices"), ("xpu", "0 XPU devices"), ("cuda:99", "CUDA devices"),
     ("meta", "not supported"), ("gpu", "unknown device")],
)  # fmt: skip
def test_a_device_that_is_not_here_is_one_line(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=says):
        resolve_device(name)


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cuda", ["CUDAExecutionProvider", "CPUExecutionProvider"]),
        ("mps", ["CoreMLExecutionProvider", "CPUExecutionProvider"]),
        ("xpu", ["OpenVINOExecutionProvider", "CPUExecutionProvider"]),
        ("cpu", ["DmlExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider"]),
    ],
)
def test_providers_are_chosen_by_device_and_by_what_is_installed(
    device: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers.importlib.util, "find_spec", lambda name: None)  # no TensorRT
    assert providers_for(torch.device(device), ALL) == expected
    assert providers_for(torch.device(device), ["CPUExecutionProvider"]) == ["CPUExecutionProvider"]


def test_tensorrt_is_chosen_only_where_its_libraries_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.importlib.util, "find_spec", lambda name: object())
    assert providers_for(torch.device("cuda"), ALL)[:2] == ALL[:2]


def test_a_provider_that_refuses_a_network_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    tried = []

    def make(path: str, options: Any, providers: list[str]) -> str:
        tried.append(providers)
        if providers[0] != "CPUExecutionProvider":
            raise RuntimeError("no such operator")
        return "a session"

    runtime = SimpleNamespace(InferenceSession=make)
    with caplog.at_level(logging.WARNING, "scenivid"):
        made = session._with_providers(
            runtime, Path("net.onnx"), None, ["OpenVINOExecutionProvider", "CPUExecutionProvider"]
        )
    assert made == "a session" and len(tried) == 2
    assert "OpenVINOExecutionProvider can't run net.onnx (no such operator)" in caplog.text
