"""Which pictures a data set is better without, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scenivid.errors import ConfigError
from scenivid.training.prepare.alike import Print, Seen, print_of
from scenivid.training.prepare.faces import Faces
from scenivid.training.prepare.measures import blur, flat_share, lettering
from scenivid.training.prepare.picture import Image, luma

_EVEN = 0.68
"""Share of a card that is flat ground."""
_COVERED = 0.08
"""Share of a picture that credits over it take."""
Reason = Literal[
    "unreadable", "missing", "small", "dark", "blank", "text card", "blurred", "faces", "near-duplicate"
]
REASONS: dict[str, str] = {
    "unreadable": "can't be decoded",
    "missing": "is in the list but not in the film",
    "small": "too few pixels inside the bars",
    "dark": "hardly any light",
    "blank": "one colour, or nearly",
    "text card": "lettering on an even ground, or letters all over",
    "blurred": "no sharp edge, even reduced",
    "faces": "faces take too much of it",
    "near-duplicate": "looks like one that was kept",
}
"""In the order in which they are looked for: the first that holds is the one that counts."""


@dataclass(frozen=True)
class Rules:
    """What a picture must pass."""

    bars: bool = True
    """Cut black bars off."""
    smallest: int = 192
    """Least shorter side inside the bars, in pixels."""
    darkest: float = 0.07
    """Least mean of luma, 0..1."""
    flattest: float = 0.025
    """Least standard deviation of luma, 0..1."""
    blurriest: float = 0.6
    """Most blur (`measures.blur`), 0..1; 1 = any."""
    text: bool = True
    """Drop cards of text."""
    alike: int | None = 8
    """Bits of 64 in which the layouts of two pictures of like colours must differ; none = keep duplicates."""
    faces: Literal["keep", "drop"] = "keep"
    """"drop" needs the weights of YuNet (`scenivid weights fetch yunet`)."""
    faces_share: float = 0.12
    """Share of the area that faces may take, with faces = "drop"."""

    def __post_init__(self) -> None:
        if self.alike is not None and not 0 <= self.alike <= 32:
            raise ConfigError("rules.alike must lie between 0 and 32 (of 64 bits)")
        if self.smallest < 16:
            raise ConfigError("rules.smallest must be at least 16 pixels")
        for name in ("darkest", "flattest", "blurriest", "faces_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"rules.{name} must lie between 0 and 1")


@dataclass(frozen=True)
class Verdict:
    """What became of a picture."""

    reason: Reason | None
    """Why it is dropped; None: it is kept."""
    found: Print
    detail: str = ""
    """The figure behind it, or the picture that it is like."""

    @property
    def kept(self) -> bool:
        """Whether it belongs to the data set."""
        return self.reason is None


def judge(image: Image, shorter: int, rules: Rules, seen: Seen, faces: Faces | None = None) -> Verdict:
    """Judge a picture; nothing is remembered of it.

    Args:
        image: RGB inside the bars, reduced (`picture.reduced`).
        shorter: its shorter side before, in pixels.
        seen: what was kept before.
        faces: needed where the rules drop faces.
    """
    grey, found = luma(image), print_of(image)
    mean, contrast = float(grey.mean()) / 255, float(grey.std()) / 255
    if shorter < rules.smallest:
        return Verdict("small", found, f"{shorter} px")
    if mean < rules.darkest:
        return Verdict("dark", found, f"mean luma {mean:.3f}")
    if contrast < rules.flattest or float(np.ptp(grey)) == 0:
        return Verdict("blank", found, f"contrast {contrast:.3f}")
    if rules.text:
        letters, even = lettering(grey), flat_share(grey)
        card = letters.lines >= 1 and letters.share >= 0.003 and even >= _EVEN
        if card or (letters.lines >= 3 and letters.share >= _COVERED):
            said = f"{letters.lines} lines on {letters.share:.1%}, {even:.0%} flat"
            return Verdict("text card", found, said)
    soft = blur(grey)
    if soft > rules.blurriest:
        return Verdict("blurred", found, f"blur {soft:.2f}")
    if rules.faces == "drop" and faces is not None:
        share = faces(image)
        if share > rules.faces_share:
            return Verdict("faces", found, f"{share:.0%} of the area")
    if rules.alike is not None:
        like = seen.like(found, rules.alike)
        if like is not None:
            return Verdict("near-duplicate", found, f"of {like}")
    return Verdict(None, found)
