"""How steady networks are by themselves, frame by frame and without `steady`, beside each other.

    python train/compare_steadiness.py runs/with/aozora.safetensors runs/without/aozora.safetensors \\
        --clips flower.mp4,friday.mp4 --out train/results/steadiness

Writes OUT/steadiness.json: for each network the noise response on held-out photographs, E_warp over the
source's on each clip, and the luma gradient relative to the source's, since what is blurred is steady too.
A network is called by its folder's name.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from measure.figures import noise_response, steadiness
from measure.pictures import CPU, load_photos, read_frames, translate

from scenivid.evaluation.fidelity import sharpness
from scenivid.evaluation.flicker import motion_of
from scenivid.flow.estimators import open_estimator
from scenivid.pixels import to_float

FRAMES, PHOTOS = 16, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--open", type=Path, default=Path("data/open"), help="folder of prepare_open_data.py")
    parser.add_argument("--clips", default="", help="real clips, separated by commas")
    parser.add_argument(
        "--side", type=int, default=480, help="shorter side of photographs, longer side of frames"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    photos = load_photos(args.open / "heldout", args.side)[:PHOTOS]
    networks = {path.parent.name: translate(path) for path in args.weights}
    figures: dict[str, Any] = {}
    for name, apply in networks.items():
        sharp = statistics.mean(float(sharpness(apply(photo)) / sharpness(photo)) for _, photo in photos)
        figures[name] = {
            "noise_response": noise_response(apply, photos),
            "gradient_over_source": round(sharp, 4),
            "e_warp_over_source": {},
        }
    flow = open_estimator("dis", CPU)
    assert flow is not None
    for clip in filter(None, args.clips.split(",")):
        frames = read_frames(Path(clip), FRAMES, args.side)
        motion = motion_of(to_float(frames), flow)
        for name, apply in networks.items():
            figures[name]["e_warp_over_source"][Path(clip).stem] = steadiness(apply, frames, motion)
    (args.out / "steadiness.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
