"""End-point error of flow estimators on ground truth: DIS, Farnebäck and RAFT in one run.

    python train/evaluate_flow.py --heldout data/open/heldout --pairs DIR [DIR ...] [--weights FILE]

A pair is a folder with two images (in name order) and one .flo file. The synthetic set is drawn by
scenivid.training.data.motion from photographs that no training saw. Prints a Markdown table, in pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from scenivid.flow.dis import Dis
from scenivid.flow.raft import load_raft
from scenivid.training.data.motion import MotionRecipe, motion_pair
from scenivid.training.programs.flow import load_photos

Estimate = Callable[[Tensor, Tensor], Tensor]
Truth = tuple[Tensor, Tensor, Tensor]
UNKNOWN_PX = 1e9
"""Middlebury marks unknown flow with larger values."""


def read_flo(path: Path) -> np.ndarray:
    """A Middlebury .flo file: [H, W, 2] float32, pixels."""
    data = path.read_bytes()
    if np.frombuffer(data, np.float32, 1)[0] != 202021.25:
        raise SystemExit(f"{path} is not a .flo file")
    width, height = np.frombuffer(data, np.int32, 2, 4)
    return np.frombuffer(data, np.float32, int(width * height * 2), 12).reshape(height, width, 2)


def load_pair(folder: Path) -> Truth:
    """Two frames [1, 3, H, W] in [0, 1] and the flow [1, 2, H, W]."""
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".ppm", ".jpg"))
    frames = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) / 255 for path in images[:2]]
    flow = read_flo(next(folder.glob("*.flo")))
    first, second, truth = (
        torch.from_numpy(np.array(part, np.float32)).permute(2, 0, 1)[None] for part in (*frames, flow)
    )
    return first, second, truth


def synthetic(folder: Path, count: int) -> list[Truth]:
    """Held-out scenes with exact flow, larger than those of the training."""
    recipe = MotionRecipe(height=288, width=384)
    images = load_photos(folder, recipe)
    pairs = (motion_pair(images, recipe, np.random.default_rng((20261122, i))) for i in range(count))
    return [
        tuple(torch.from_numpy(part).permute(2, 0, 1)[None] for part in (pair.first, pair.second, pair.flow))
        for pair in pairs
    ]


def farneback(first: Tensor, second: Tensor) -> Tensor:
    """OpenCV's Farnebäck with TecoGAN's settings (0.5, 3, 15, 3, 5, 1.2, 0)."""
    grey = [
        cv2.cvtColor((image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
        for image in (first, second)
    ]
    flow = cv2.calcOpticalFlowFarneback(*grey, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    return torch.from_numpy(flow).permute(2, 0, 1)[None]


def error(estimate: Estimate, truths: list[Truth]) -> float:
    """Mean end-point error over known pixels, in pixels, averaged over pairs."""
    errors = []
    for first, second, truth in truths:
        known = truth.abs().amax(1) < UNKNOWN_PX
        errors.append((estimate(first, second) - truth).norm(dim=1)[known].mean().item())
    return float(np.mean(errors))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heldout", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, nargs="*", default=[])
    parser.add_argument("--weights", type=Path, help="raft-small weights (default: the embedded ones)")
    parser.add_argument("--count", type=int, default=60, help="synthetic scenes")
    arguments = parser.parse_args()
    sets = {folder.name: [load_pair(folder)] for folder in arguments.pairs}
    sets[f"synthetic, {arguments.count} scenes"] = synthetic(arguments.heldout, arguments.count)
    cpu = torch.device("cpu")
    weights = arguments.weights or Path(__file__).parents[1] / "scenivid/weights/raft_small.safetensors"
    estimators: dict[str, Estimate] = {
        "zero flow": lambda first, second: torch.zeros_like(first[:, :2]),
        "Farnebäck": farneback,
        "DIS medium": Dis(),
        "raft-small": load_raft("raft-small", cpu, weights),
    }
    print("| end-point error, px | " + " | ".join(sets) + " |\n|" + "---|" * (len(sets) + 1))
    for name, estimate in estimators.items():
        print(
            f"| {name} | " + " | ".join(f"{error(estimate, truths):.2f}" for truths in sets.values()) + " |"
        )


if __name__ == "__main__":
    main()
