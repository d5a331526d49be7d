"""ONNX networks run at arm's length: in bounded time and memory, and so that Ctrl-C ends them.

Such a file is a program: it may loop for ever or ask for more memory than there is. onnxruntime never looks
at Python's signals, so it runs in a thread of its own, and whoever waits for it tells it to end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray

from scenivid.errors import CheckpointError, DependencyError
from scenivid.machine.devices import free_memory
from scenivid.styles.engines.providers import providers_for

OPENING_S = 60.0
"""Time that a network may take to open, and for one test picture."""
FRAME_S = 600.0
"""Time that a network may take for one call."""
MOST_GROWTH = 8
"""Sides of the output may be so many times those of the input."""
_MEMORY_SHARE = 0.8
_LETTING_GO_S = 1.0
_TICK_S = 0.2
_log = logging.getLogger(__name__)
T = TypeVar("T")


def open_session(path: Path, device: torch.device) -> Any:
    """An onnxruntime session; on the GPU if `device` is one and onnxruntime was built for it.

    Raises:
        DependencyError: onnxruntime isn't installed.
        CheckpointError: no usable ONNX file, or one that takes too long to open.
    """
    try:
        import onnxruntime
    except ImportError as exc:
        raise DependencyError('ONNX styles need onnxruntime: pip install "scenivid[onnx]"') from exc
    if not path.is_file():
        raise CheckpointError(f"no file {path}")
    _bound_memory()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.use_env_allocators", "1")
    wanted = providers_for(device, onnxruntime.get_available_providers())

    def build() -> Any:
        session = _with_providers(onnxruntime, path, options, wanted)
        for entry in (*session.get_inputs(), *session.get_outputs()):  # a damaged name shows here
            _ = entry.name, entry.type, entry.shape
        _ = session.get_modelmeta().custom_metadata_map
        return session

    try:
        return _patiently(build, lambda: None, OPENING_S)
    except TimeoutError as exc:
        raise CheckpointError(f"{path} took more than {OPENING_S:.0f} s to open: it is not used") from exc
    except Exception as exc:  # onnxruntime's errors share no narrower class
        raise CheckpointError(f"{path} is not a usable ONNX file ({_first_line(exc)})") from exc


def _with_providers(onnxruntime: Any, path: Path, options: Any, wanted: Sequence[str]) -> Any:
    """A session with the first provider that takes the network; the last is the CPU, which takes all."""
    for at in range(len(wanted)):
        try:
            return onnxruntime.InferenceSession(str(path), options, providers=list(wanted[at:]))
        except Exception as exc:  # onnxruntime's errors share no narrower class
            if at == len(wanted) - 1:
                raise
            _log.warning("%s can't run %s (%s): trying the next", wanted[at], path.name, _first_line(exc))
    raise AssertionError("the CPU is always wanted")


def run_session(session: Any, array: NDArray[Any], name: str, limit_s: float = FRAME_S) -> NDArray[Any]:
    """The first output for `array` as the only input.

    Raises:
        CheckpointError: the network refuses, takes more than `limit_s`, or more memory than there is.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4

    def call() -> NDArray[Any]:
        result: NDArray[Any] = session.run(
            [session.get_outputs()[0].name], {session.get_inputs()[0].name: array}, options
        )[0]
        return result

    def end() -> None:
        options.terminate = True

    shape = list(array.shape)
    try:
        return _patiently(call, end, limit_s)
    except TimeoutError as exc:
        raise CheckpointError(f"{name} took more than {limit_s:.0f} s for a frame of shape {shape}") from exc
    except Exception as exc:  # onnxruntime's errors share no narrower class
        reason = _first_line(exc)
        if "memory" in str(exc).lower() or isinstance(exc, MemoryError):
            reason = "it wants more memory than there is: use --tile or a smaller --paint"
        raise CheckpointError(f"{name} refused a frame of shape {shape} ({reason})") from exc


def check_growth(output: tuple[int, ...], height: int, width: int, name: str) -> None:
    """Refuse outputs that are empty or absurdly large for an input of height × width.

    Args:
        output: height and width of the network's output.

    Raises:
        CheckpointError: they are.
    """
    if min(output) < 1 or output[0] > MOST_GROWTH * height or output[1] > MOST_GROWTH * width:
        raise CheckpointError(
            f"{name} is not an image-to-image network: from {height} x {width} pixels it makes "
            f"{' x '.join(map(str, output))} (at most {MOST_GROWTH} times as many in each direction)"
        )


@cache
def _bound_memory() -> None:
    """Give all ONNX networks of this process one CPU arena, not larger than most of what is free now."""
    import onnxruntime as ort

    limit = int(free_memory(torch.device("cpu")) * _MEMORY_SHARE)
    info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(info, ort.OrtArenaCfg({"max_mem": limit, "arena_extend_strategy": 1}))


def _patiently(call: Callable[[], T], end: Callable[[], None], limit_s: float) -> T:
    """What `call` returns or raises; after `limit_s`, or when this thread is interrupted, `end` is called.

    Raises:
        TimeoutError: it took longer.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # it belongs to the thread that waits
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=run, name="scenivid-onnx", daemon=True).start()
    left = limit_s
    try:
        while not ended.wait(_TICK_S):
            left -= _TICK_S
            if left <= 0:
                raise TimeoutError
    except BaseException:
        end()
        ended.wait(_LETTING_GO_S)
        raise
    if errors:
        raise errors[0]
    return results[0]


def _first_line(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:160]
