"""A network in OpenVINO: the same arithmetic, fused."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scenivid.errors import DependencyError, OutputError
from scenivid.machine import aside
from scenivid.machine.cores import Threads


class OpenVinoRun:
    """Runs one frame at a time, of one size; safe to call from several threads."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._local = threading.local()

    def __call__(self, image: Tensor) -> Tensor:
        """[1, 3, H, W] in [0, 1] to [1, C, H, W], float32."""
        import openvino

        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        pixels = image.contiguous().numpy()  # OpenVINO reads it in place and doesn't keep it alive
        request.set_input_tensor(openvino.Tensor(pixels, shared_memory=True))
        request.infer()
        return torch.from_numpy(request.get_output_tensor().data.copy())


def open_openvino(
    network: nn.Module, size: tuple[int, int], threads: Threads, dtype: torch.dtype, kept: Path
) -> OpenVinoRun:
    """Compile a network.

    Args:
        network: [1, 3, H, W] in [0, 1] to [1, C, H, W].
        size: height and width, such as the network takes.
        threads: frames at once, and threads for each.
        dtype: torch.bfloat16 or torch.float32.
        kept: where the converted network is kept, without a suffix; made if it isn't there.

    Raises:
        DependencyError: OpenVINO isn't installed.
    """
    try:
        import openvino
    except ImportError as exc:
        raise DependencyError('--engine openvino needs OpenVINO: pip install "scenivid[openvino]"') from exc
    core = openvino.Core()
    model = _read(core, kept)
    if model is None:
        model = _converted(network)
        _keep(model, kept)
    model.reshape([1, 3, *size])
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": threads.painters * threads.each,
        "NUM_STREAMS": threads.painters,
        "ENABLE_CPU_PINNING": False,  # other stages need the cores as well
    }
    return OpenVinoRun(core.compile_model(model, "CPU", settings))


def _converted(network: nn.Module) -> Any:
    import copy

    import openvino

    plain = copy.deepcopy(network).float().eval()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the tracer, about what it takes for constants
        return openvino.convert_model(plain, example_input=torch.rand(1, 3, 64, 64))


def _read(core: Any, kept: Path) -> Any:
    path = kept.with_suffix(".xml")
    if not path.is_file():
        return None
    try:
        return core.read_model(path)
    except RuntimeError:  # damaged: it is made again
        return None


def _keep(model: Any, kept: Path) -> None:
    import openvino

    try:
        with aside.whole(kept.with_suffix(".bin")) as weights, aside.whole(kept.with_suffix(".xml")) as text:
            draft = text.parent / f"{text.name}.draft.xml"
            try:
                openvino.save_model(model, draft, compress_to_fp16=False)
                draft.with_suffix(".bin").replace(weights)
                draft.replace(text)
            finally:
                draft.unlink(missing_ok=True)
                draft.with_suffix(".bin").unlink(missing_ok=True)
    except OutputError:  # a cache that can't be written costs half a second at the next start
        return
