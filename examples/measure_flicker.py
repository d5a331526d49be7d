"""How much does the coherence filter help? Stylize twice, with and without it, and measure both.

python examples/measure_flicker.py examples/clip.mp4 results/
"""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import scenivid

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
folder.mkdir(exist_ok=True)
steady = scenivid.StylizeSettings(codec="ffv1", duration=Fraction(1, 3), overwrite=True)
scenivid.stylize(source, folder / "source.mkv", replace(steady, style="none"))
scenivid.stylize(source, folder / "steady.mkv", steady)
scenivid.stylize(source, folder / "per-frame.mkv", replace(steady, consistency=0.0))
report = scenivid.evaluate_flicker(folder / "source.mkv", folder / "steady.mkv", folder / "per-frame.mkv")
for metric, of_source, of_per_frame, of_output, better in report.table():
    print(f"{metric:40} {of_source:>12} {of_per_frame:>12} {of_output:>12}  {better}")
