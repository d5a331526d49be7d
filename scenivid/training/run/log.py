"""What a run writes for people: log.jsonl, TensorBoard events, PNG sample grids."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor

from scenivid.pixels import to_pixels

logger = logging.getLogger(__name__)


class RunLog:
    """Appends to `out`/log.jsonl and, where installed, to TensorBoard; a context manager.

    Lines of steps after `step` are cut off first: they belong to work that was lost with its process
    and is about to be done again.
    """

    def __init__(self, out: Path, step: int, tensorboard: bool = True) -> None:
        self.path, self.sheets = out / "log.jsonl", out / "samples"
        _cut(self.path, step)
        self._file = self.path.open("a", encoding="utf-8")
        self._board = _open_board(out / "tensorboard", step) if tensorboard else None

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One line: {"step": …, name: value, …}."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def samples(self, step: int, sheet: Tensor) -> None:
        """A picture of how far the run is, [3, H, W] in [0, 1]: samples/STEP.png and TensorBoard."""
        save_png(sheet, self.sheets / f"{step:07d}.png")
        if self._board is not None:
            self._board.add_image("samples", to_pixels(sheet.detach().float().cpu()), step)


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log.jsonl; a last line that a crash left half-written is passed over."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines


def grid(rows: Sequence[Tensor], gap: int = 2) -> Tensor:
    """Put pictures of one size on a white sheet, one tensor a row.

    Args:
        rows: each [N, 3, H, W] float in [0, 1]; the rows may differ in N.
        gap: white pixels between pictures.

    Returns:
        [3, R·(H + gap) − gap, max N·(W + gap) − gap] float in [0, 1], on the CPU.
    """
    height, width = rows[0].shape[-2:]
    columns = max(len(row) for row in rows)
    sheet = torch.ones(3, len(rows) * (height + gap) - gap, columns * (width + gap) - gap)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row.detach().float().cpu().clamp(0, 1)):
            top, left = i * (height + gap), j * (width + gap)
            sheet[:, top : top + height, left : left + width] = picture
    return sheet


def save_png(image: Tensor, path: Path) -> None:
    """Write [3, H, W] float in [0, 1] as an 8-bit PNG; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = to_pixels(image.detach().cpu()).flip(0).permute(1, 2, 0).contiguous().numpy()
    path.write_bytes(cv2.imencode(".png", bgr)[1].tobytes())


def _cut(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = [line for line in read_log(path) if line["step"] <= step]
    path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def _open_board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.info("tensorboard is not installed: log.jsonl only (pip install scenivid[train])")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
