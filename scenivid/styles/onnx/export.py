"""A style as ONNX, checked against torch before it is kept."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scenivid.errors import CheckpointError, DependencyError, OutputError
from scenivid.machine.aside import whole
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.nets.translator import Translator
from scenivid.pixels import from_signed, to_signed
from scenivid.styles.onnx.session import open_session
from scenivid.styles.zoo import find

TOLERANCE = 1e-3
"""Largest difference from torch, in [0, 1], that an exported network may show."""
_OPSET = 18


class Unit(nn.Module):
    """A style network with [0, 1] at both ends."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.signed = isinstance(network, Translator)

    def forward(self, image: Tensor) -> Tensor:
        if self.signed:
            return from_signed(self.network(to_signed(image)))
        result: Tensor = self.network(image)
        return result


def export_onnx(name_or_path: str, path: Path) -> float:
    """Write a style as ONNX: float32 "image" in, "styled" out, [N, 3, H, W] in [0, 1], any N, H and W.

    Styles with a line field give it as a fourth channel behind flat colours (see `scenivid.ink.compose`).

    A network with a dial is exported at full strength.
    H and W must be multiples of the metadata entry `scenivid_multiple`; the card is in `scenivid_card`.
    The file is run by onnxruntime at a size other than the traced one and compared before it is kept.

    Returns:
        The largest difference from torch seen.

    Raises:
        DependencyError: onnx, onnxscript or onnxruntime isn't installed.
        CheckpointError: The exported network doesn't agree with torch.
        OutputError: The file can't be written.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 (the exporter needs it)
    except ImportError as exc:
        raise DependencyError('exporting needs onnx and onnxscript: pip install "scenivid[onnx]"') from exc
    if path.suffix.lower() != ".onnx":
        raise OutputError(f"{path} should end in .onnx")
    network, card = load_checkpoint(find(name_or_path))
    multiple = int(getattr(network, "multiple", 1))
    unit = Unit(network).eval()
    numbers = {"paint": card.paint, "ink": card.ink}
    with tempfile.TemporaryDirectory(prefix="scenivid-") as scratch:
        draft = Path(scratch) / "model.onnx"
        trace(unit, multiple, draft)
        model = onnx.load(str(draft))
        _forget_source(model)
        for key, value in (
            ("scenivid_range", "unit"),
            ("scenivid_multiple", str(multiple)),
            *((f"scenivid_{key}", str(value)) for key, value in numbers.items() if value is not None),
            ("scenivid_card", json.dumps(asdict(card), ensure_ascii=False)),
        ):
            model.metadata_props.add(key=key, value=value)
        onnx.save(model, str(draft))
        difference = _difference(unit, multiple, draft)
        if not difference <= TOLERANCE:
            raise CheckpointError(f"the ONNX export of {card.name} differs from torch by {difference:.2g}")
        with whole(path) as part:
            shutil.copyfile(draft, part)
    return difference


def trace(unit: nn.Module, multiple: int, path: Path) -> None:
    """Write a network as ONNX: "image" in, "styled" out, any N, H and W; see `export_onnx`."""
    example = torch.rand(2, 3, 4 * multiple, 6 * multiple)
    dim: Any = torch.export.Dim
    shape = {0: dim("batch"), 2: multiple * dim("rows", min=2), 3: multiple * dim("columns", min=2)}
    with _quiet():
        torch.onnx.export(
            unit,
            (example,),
            str(path),
            input_names=["image"],
            output_names=["styled"],
            dynamic_shapes={"image": shape},
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _forget_source(model: Any) -> None:
    """Drop what the exporter notes of the lines of code that each part comes from: paths of this machine."""
    graph = model.graph
    bodies = (graph, *model.functions)
    parts = (graph.value_info, graph.initializer, graph.input, graph.output, *(body.node for body in bodies))
    for part in (*bodies, *itertools.chain.from_iterable(parts)):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _difference(unit: nn.Module, multiple: int, path: Path) -> float:
    session = open_session(path, torch.device("cpu"))
    worst = 0.0
    for batch, rows, columns in ((1, 5, 3), (3, 2, 4)):
        image = torch.rand(batch, 3, rows * multiple, columns * multiple)
        with torch.inference_mode():
            expected = unit(image).numpy()
        styled = session.run(["styled"], {"image": image.numpy()})[0]
        worst = max(worst, float(np.abs(styled - expected).max()))
    return worst


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks on stdout, in warnings and in the log; none of it is for users."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
