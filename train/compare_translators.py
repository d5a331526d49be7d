"""Compare trained translators on the same crops: distance to the paintings, and content kept.

    python train/compare_translators.py --open data/open --side 64 --out train/results/tiny/ablation.md \\
        all=runs/tiny-translator "without selection=runs/no-selection"

Each argument is NAME=FOLDER (a run of `scenivid train translator`) or NAME=FILE (a style). FD-EffNet is taken
on as many crops of photographs as of paintings; agreement is the cosine of EfficientNet-Lite0's features of a
crop and its translation. The row "photographs" is the identity.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.evaluation.fidelity import ssim_luma
from scenivid.ink import inked
from scenivid.perception.distances import frechet_distance
from scenivid.perception.efficientnet import EfficientNetLite0, load_efficientnet
from scenivid.pixels import to_float
from scenivid.styles.zoo import load_style
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import scan
from scenivid.training.data.memory import MemorySet
from scenivid.training.stylegan.realism import embed

CPU = torch.device("cpu")
CROPS = 256


def crops(folder: Path, side: int) -> Tensor:
    """`CROPS` crops of a folder's images, the same at each call: [CROPS, 3, side, side] in [0, 1]."""
    images = MemorySet(scan(folder), Augment(side, 1.0, 1.5), seed=20261122)
    return to_float(torch.stack([images[i] for i in range(CROPS)]))


@torch.no_grad()
def row(
    images: Tensor, photos: Tensor, content: Tensor, paintings: Tensor, eye: EfficientNetLite0
) -> tuple[float, ...]:
    """FD-EffNet to the paintings' features, agreement with the photographs' (`content`), luma SSIM."""
    vectors = embed(images, eye, photos.shape[-1])
    agreement = F.cosine_similarity(vectors, content).mean()
    return frechet_distance(vectors, paintings), float(agreement), float(ssim_luma(images, photos).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    parser.add_argument("--open", type=Path, default=Path("data/open"), help="folder of prepare_open_data.py")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    eye = load_efficientnet(CPU)
    photos = crops(args.open / "photos", args.side)
    content, paintings = (
        embed(images, eye, args.side) for images in (photos, crops(args.open / "paintings", args.side))
    )
    lines = [
        f"FD-EffNet of {CROPS} translated crops of {args.side} px to as many of the paintings, cosine of the",
        "features before and after, luma SSIM. Written by `python train/compare_translators.py`.",
        "", "| translator | FD-EffNet | agreement | SSIM |", "|---|--:|--:|--:|",
        "| photographs | {:.0f} | {:.3f} | {:.3f} |".format(*row(photos, photos, content, paintings, eye)),
    ]  # fmt: skip
    for name, _, place in (run.partition("=") for run in args.runs):
        path = Path(place)
        style = load_style(str(path / "style.safetensors" if path.is_dir() else path), CPU, "fp32")
        images = torch.cat(
            [
                inked(style.translate(some, [True] * len(some), None, None)[0], style.ink)
                for some in photos.split(32)
            ]
        )
        figures = row(images.float().clamp(0, 1), photos, content, paintings, eye)
        lines.append("| {} | {:.0f} | {:.3f} | {:.3f} |".format(name, *figures))
    args.out.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
