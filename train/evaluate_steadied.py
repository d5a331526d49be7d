"""How steady the finished clips are: each clip through the whole engine, with the default dial and without.

    python train/evaluate_steadied.py --styles aozora,cel --clips flower.mp4,friday.mp4 --out steadied.json

E_warp is over the source's, `sharpness` over that of the frame-by-frame result.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import scenivid
from scenivid.evaluation.flicker import FlickerSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--styles", default="aozora,cel,gouache", help="separated by commas")
    parser.add_argument("--clips", required=True, help="separated by commas")
    parser.add_argument("--seconds", type=Fraction, default=Fraction(1), help="of each clip")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    measure = FlickerSettings(flow="dis", long_side=960, perceptual=False, download=False)
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for clip in map(Path, args.clips.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            source, steady, alone = (Path(folder, f"{name}.mkv") for name in ("source", "steady", "alone"))
            lossless = scenivid.StylizeSettings(
                codec="ffv1", duration=args.seconds, style="none", overwrite=True
            )
            scenivid.stylize(clip, source, replace(lossless, consistency=0.0))
            for style in args.styles.split(","):
                scenivid.stylize(source, steady, replace(lossless, style=style))
                scenivid.stylize(source, alone, replace(lossless, style=style, consistency=0.0))
                report = scenivid.evaluate_flicker(source, steady, alone, measure)
                warp = {
                    column: report.value("e_warp", column) or 0.0
                    for column in ("source", "per_frame", "output")
                }
                sharp = {
                    column: report.value("sharpness", column) or 0.0 for column in ("per_frame", "output")
                }
                figures.setdefault(clip.stem, {})[style] = {
                    "per_frame": round(warp["per_frame"] / warp["source"], 3),
                    "steadied": round(warp["output"] / warp["source"], 3),
                    "sharpness": round(sharp["output"] / sharp["per_frame"], 3),
                }
                print(clip.stem, style, figures[clip.stem][style], flush=True)
    args.out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
