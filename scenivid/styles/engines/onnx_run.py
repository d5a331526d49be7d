"""A network in ONNX Runtime, in float32: for processors without bf16, where it may be faster than torch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scenivid.errors import DependencyError, OutputError
from scenivid.machine import aside
from scenivid.machine.cores import Threads
from scenivid.styles.onnx.export import Unit, trace


class OnnxRun:
    """Runs one frame at a time; safe to call from several threads."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, image: Tensor) -> Tensor:
        """[1, 3, H, W] in [0, 1] to [1, C, H, W], float32."""
        return torch.from_numpy(self._session.run(None, {"image": image.contiguous().numpy()})[0])


def open_onnxruntime(network: nn.Module, multiple: int, threads: Threads, kept: Path) -> OnnxRun:
    """Export a network and open it.

    Args:
        network: [1, 3, H, W] in [0, 1] to [1, C, H, W].
        multiple: what H and W are multiples of.
        threads: frames at once, and threads for each.
        kept: where the exported network is kept, without a suffix; made if it isn't there.

    Raises:
        DependencyError: ONNX Runtime or the exporter isn't installed.
    """
    try:
        import onnx  # noqa: F401 (the exporter needs both)
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as exc:
        raise DependencyError('--engine onnx needs ONNX Runtime: pip install "scenivid[onnx]"') from exc
    path = kept.with_suffix(".onnx")
    plain = copy.deepcopy(network).float().eval()
    if not path.is_file():
        try:
            with aside.whole(path) as part:
                trace(Unit(plain), multiple, part)
        except OutputError as exc:
            raise DependencyError(f"--engine onnx needs a place to keep the network: {exc}") from exc
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads.each
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return OnnxRun(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))
