"""Where and in what numbers things are computed: devices, dtypes and free memory."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from scenivid.errors import ConfigError
from scenivid.machine.lazy import torch

_ASSUMED = 4 << 30
"""Bytes of free memory where the system doesn't say."""


def is_cpu(name: str) -> bool:
    """Whether a device called so is the CPU, told without loading torch where that is certain."""
    return name == "cpu" or (name == "auto" and not _may_have_cuda())


def resolve_device(name: str) -> torch.device:
    """'auto', 'cpu', 'cuda', 'cuda:N', 'mps', 'xpu' or 'xpu:N' to a device that exists.

    'auto' is CUDA or the CPU: Apple's and Intel's GPUs have not been measured, so they must be asked for.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise ConfigError(f"unknown device {name!r}: use {_KNOWN}") from exc
    if device.type not in _COUNTS:
        raise ConfigError(f"device {name!r} is not supported: use {_KNOWN}")
    count = _COUNTS[device.type]()
    if (device.index or 0) >= count:
        kind = device.type.upper()
        raise ConfigError(f"device {name!r} is not here: torch sees {count} {kind} devices")
    return device


def _xpus() -> int:
    xpu = getattr(torch, "xpu", None)  # builds of torch for Intel's GPUs have it
    return int(xpu.device_count()) if xpu is not None and xpu.is_available() else 0


_KNOWN = "auto, cpu, cuda, cuda:N, mps, xpu or xpu:N"
_COUNTS = {
    "cpu": lambda: 1,
    "cuda": lambda: torch.cuda.device_count(),
    "mps": lambda: int(torch.backends.mps.is_available()),
    "xpu": _xpus,
}
"""How many devices of each type torch sees."""


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of weights and features for "auto", "fp32", "bf16" or "fp16".

    "auto" is bf16 where the device multiplies it natively, fp16 on older GPUs, else fp32.

    Raises:
        ConfigError: Unknown precision, or fp16 on a CPU.
    """
    known = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision == "auto":
        if device.type == "cuda":
            native = torch.cuda.get_device_capability(device) >= (8, 0) or torch.version.hip is not None
            return torch.bfloat16 if native else torch.float16
        native = device.type == "xpu" or (device.type == "cpu" and _cpu_multiplies_bf16())
        return torch.bfloat16 if native else torch.float32
    if precision not in known:
        raise ConfigError(f"unknown precision {precision!r}; expected auto, {', '.join(known)}")
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("fp16 is not for CPUs; use --precision bf16 or fp32")
    return known[precision]


def free_memory(device: torch.device) -> int:
    """Bytes free on the device; on the CPU what the system says is available."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "xpu" and hasattr(torch.xpu, "mem_get_info"):
        return int(torch.xpu.mem_get_info(device)[0])
    return available_memory()


def available_memory() -> int:
    """Bytes that the system says this machine still has."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux: assume a small machine
        return _ASSUMED


def _cpu_multiplies_bf16() -> bool:
    """Whether there are bf16 instructions (avx512_bf16 or AMX); asked in a way that survives renames."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    questions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, question, bool)()) for question in questions)


@cache
def _may_have_cuda() -> bool:
    """Whether the driver of a GPU that torch might use is here: NVIDIA's, or ROCm's."""
    for name in ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False
