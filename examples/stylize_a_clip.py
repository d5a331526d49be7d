"""Stylize a clip from Python, with progress.

python examples/stylize_a_clip.py examples/clip.mp4 out.mp4
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import scenivid

settings = scenivid.StylizeSettings(strength=0.9, duration=Fraction(1, 2), overwrite=True)
report = scenivid.stylize(
    Path(sys.argv[1]),
    Path(sys.argv[2]),
    settings,
    progress=lambda done, expected: print(f"{done} of {expected or '?'} frames", file=sys.stderr),
)
print(f"{report.frames} frames at {report.fps:.1f} fps; {report.settings['encoder']}")
