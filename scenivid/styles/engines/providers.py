"""What ONNX Runtime runs a network on: those of its providers that are installed, the quickest first."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import torch

_CPU = "CPUExecutionProvider"
_BY_DEVICE = {
    "cuda": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
    "mps": ("CoreMLExecutionProvider",),
    "xpu": ("OpenVINOExecutionProvider",),
    "cpu": ("DmlExecutionProvider", "OpenVINOExecutionProvider"),
}
"""DirectML serves GPUs that torch doesn't know; it and OpenVINO come only with builds installed for them."""
_NEEDS = {"TensorrtExecutionProvider": "tensorrt"}
"""Packages without which a provider that says it is there can't start."""


def providers_for(device: torch.device, available: Sequence[str]) -> list[str]:
    """Names of providers in the order in which they are tried; the CPU's is the last.

    Args:
        device: where the frames are.
        available: what this build of ONNX Runtime says it has.
    """
    wanted = [name for name in _BY_DEVICE.get(device.type, ()) if name in available and _can_start(name)]
    return [*wanted, _CPU]


def _can_start(name: str) -> bool:
    return name not in _NEEDS or importlib.util.find_spec(_NEEDS[name]) is not None
