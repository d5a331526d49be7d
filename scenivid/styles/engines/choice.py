"""Which engine runs a lite network on the CPU: what is asked for, or the fastest on this machine.

What OpenVINO can run straight from its weights file never comes here: see `graph_style`. For the rest 'auto'
measures each engine that is installed, for a second or two in all, the first time that a style is painted at
a size on a machine, and remembers the answer. Small pictures always go to torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import itertools
import json
import logging
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scenivid.errors import ConfigError, OutputError, ScenividError
from scenivid.machine import aside, locks
from scenivid.machine.cores import Threads
from scenivid.styles.engines.onnx_run import open_onnxruntime
from scenivid.styles.engines.openvino_run import open_openvino
from scenivid.styles.places import models_dir
from scenivid.styles.stylizer import LiteStylizer, Stylizer

ENGINES = ("auto", "torch", "openvino", "onnx")
Run = Callable[[Tensor], Tensor]
"""A network: [1, 3, H, W] in [0, 1] to [1, C, H, W]."""

_SMALL = 150_000
"""Pixels below which a choice isn't worth its measurement."""
_GAIN = 0.95
"""Share of torch's time that another engine must stay below."""
_ROUNDS, _BUDGET_S = 5, 1.0
_log = logging.getLogger(__name__)


def with_engine(
    stylizer: Stylizer, wanted: str, size: tuple[int, int], threads: Threads, notes: list[str]
) -> tuple[Stylizer, str]:
    """The stylizer run by an engine, and the engine's name.

    Args:
        stylizer: on the CPU; only lite networks have a choice.
        wanted: one of `ENGINES`.
        size: height and width at which frames are painted.
        threads: frames at once, and threads for each.
        notes: what was measured is appended.

    Raises:
        ConfigError: no such engine, or none but torch for this kind of style.
        DependencyError: the engine asked for isn't installed.
    """
    if wanted not in ENGINES:
        raise ConfigError(f"engine must be one of {', '.join(ENGINES)}, got {wanted!r}")
    if not isinstance(stylizer, LiteStylizer):
        if wanted in ("openvino", "onnx"):
            raise ConfigError(f"--engine {wanted} is for lite styles; {stylizer.card.name} is none")
        return stylizer, "own"
    multiple = stylizer.multiple
    padded = -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple
    engines = _Engines(stylizer, padded, threads)
    name = wanted if wanted != "auto" else engines.fastest(notes)
    return (stylizer, name) if name == "torch" else (replace(stylizer, run=engines.open(name)), name)


class _Engines:
    """The engines for one style, at one size."""

    def __init__(self, stylizer: LiteStylizer, size: tuple[int, int], threads: Threads) -> None:
        self._stylizer, self._size, self._threads = stylizer, size, threads
        self._digest = _digest(stylizer)

    def open(self, name: str) -> Run:
        """The network in an engine.

        Raises:
            DependencyError: it isn't installed.
        """
        network, kept = self._stylizer.network, cache_dir() / self._digest
        if name == "openvino":
            return open_openvino(network, self._size, self._threads, self._stylizer.dtype, kept)
        if name == "onnx":
            return open_onnxruntime(network, self._stylizer.multiple, self._threads, kept)
        channels_last: Run = lambda image: network(image.contiguous(memory_format=torch.channels_last))  # noqa: E731
        return channels_last

    def fastest(self, notes: list[str]) -> str:
        """Measured, or remembered."""
        others = [name for name in ("openvino", "onnx") if self._worth_trying(name)]
        if not others or self._size[0] * self._size[1] < _SMALL:
            return "torch"
        key = self._key(others)
        with _alone():
            known = _remembered().get(key)
            if known in ("torch", *others):
                return str(known)
            times = self._measured(["torch", *others])
            best = min(times, key=lambda name: times[name])
            if best != "torch" and times[best] > _GAIN * times["torch"]:
                best = "torch"
            _remember(key, best)
        told = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in times.items())
        notes.append(f"{best} paints this style from now on: {told} a frame here (--engine chooses)")
        return best

    def _worth_trying(self, name: str) -> bool:
        if name == "onnx" and self._stylizer.dtype == torch.bfloat16:
            return False  # float32 never wins where bf16 is native
        modules = {"openvino": ("openvino",), "onnx": ("onnxruntime", "onnx", "onnxscript")}[name]
        return all(importlib.util.find_spec(module) is not None for module in modules)

    @torch.inference_mode()
    def _measured(self, names: list[str]) -> dict[str, float]:
        """Seconds of processor time a frame: the least of several rounds, in which each engine has a turn.

        Other work on the machine can only add, and what it adds falls on all of them.
        """
        image = torch.rand(1, 3, *self._size)
        runs: dict[str, Run] = {}
        for name in names:
            try:
                runs[name] = self.open(name)
                runs[name](image)
            except (ScenividError, RuntimeError) as exc:
                runs.pop(name, None)
                _log.debug("engine %s is left out: %s", name, exc)
        times, began = dict.fromkeys(runs, math.inf), time.perf_counter()
        for turn in itertools.count():
            if turn >= _ROUNDS or (turn >= 2 and time.perf_counter() - began > _BUDGET_S):
                return times
            for name, run in runs.items():
                start = time.process_time()
                run(image)
                times[name] = min(times[name], time.process_time() - start)
        raise AssertionError("never reached")

    def _key(self, others: list[str]) -> str:
        pixels = round(math.log2(self._size[0] * self._size[1]))
        parts = (_processor(), self._digest, pixels, torch.__version__, *others)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def cache_dir() -> Path:
    """Where converted networks and the choices of engines are kept."""
    return models_dir().parent / "engines"


def _digest(stylizer: LiteStylizer) -> str:
    digest = hashlib.sha256(repr(stylizer.network).encode())
    for value in stylizer.network.state_dict().values():
        digest.update(value.detach().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:24]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One process measures at a time: all shall have the same answer, and none shall disturb another."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.hold(cache_dir() / "choices.lock", wait=True))
        except OSError:
            _log.debug("engines are measured without a lock", exc_info=True)
        yield


def _remembered() -> dict[str, Any]:
    try:
        known = json.loads((cache_dir() / "choices.json").read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(key: str, name: str) -> None:
    try:
        with aside.whole(cache_dir() / "choices.json") as part:
            part.write_text(json.dumps({**_remembered(), key: name}, indent=0))
    except (OutputError, OSError):
        _log.debug("the choice of an engine can't be kept")
