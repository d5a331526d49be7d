"""The looks of the painter, and how a look is softened."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scenivid.errors import ConfigError

_SMALLEST = 0.35
"""Size of the brushes at strength 0, relative to those at 1."""


@dataclass(frozen=True)
class Look:
    """One look. Lengths are in pixels of a painting whose short side is 540."""

    brush: float
    """Radius of the broad brush, for texture and calm areas."""
    fine: float
    """Radius of the fine brush, for structure."""
    keep: float
    """How eagerly details are kept from the brush, 1 by default; less loses more."""
    melt: float
    """Oklab distance below which neighbours melt together."""
    passes: int
    """Melting passes."""
    steps: float
    """Tones between black and white."""
    cel: float
    """How hard the steps between them are, 0 (smooth) to 1."""
    dabs: float
    """Strength of light, middle and dark clumps in texture, 0..1."""
    line: float
    """Width (sigma) of lines."""
    faint: float
    """Oklab height of the faintest step that gets a line."""
    full: float
    """Height from which a line is full."""
    ink: float
    """How dark lines are drawn by default, 0..1."""
    sky: float
    """Repainting of skies and clouds, 0..1."""
    lift: float
    """Shadows are opened."""
    air: float
    """Middle tones are raised."""
    contrast: float
    """Gain of what stands out of the large-scale light."""
    chroma: float
    """Gain of chroma."""
    vivid: float
    """What dull colours, not greys, are raised by beyond that."""
    limit: float
    """Chroma that nothing is raised above."""
    hues: float
    """Greens, blues and skin are turned towards those of paint, 0..1."""
    shadow: tuple[float, float]
    """Oklab (a, b) added in shadows."""
    light: tuple[float, float]
    """Oklab (a, b) added in lights."""
    glow: float
    """Light that spills over, 0..1."""


LOOKS = {
    "aozora": Look(
        brush=7.5, fine=2.7, keep=0.75, melt=0.065, passes=4, steps=6.5, cel=0.95, dabs=0.95,
        line=1.1, faint=0.04, full=0.15, ink=0.75, sky=1.0,
        lift=0.55, air=0.24, contrast=1.2, chroma=1.45, vivid=0.9, limit=0.26, hues=1.0,
        shadow=(0.010, -0.034), light=(0.003, 0.014), glow=0.15,
    ),
    "cel": Look(
        brush=6.0, fine=2.0, keep=0.75, melt=0.09, passes=4, steps=4.5, cel=1.0, dabs=0.85,
        line=1.15, faint=0.05, full=0.16, ink=1.0, sky=1.0,
        lift=0.52, air=0.22, contrast=1.15, chroma=1.3, vivid=0.75, limit=0.23, hues=1.0,
        shadow=(0.010, -0.030), light=(0.003, 0.010), glow=0.0,
    ),
    "gouache": Look(
        brush=10.0, fine=3.4, keep=0.7, melt=0.09, passes=4, steps=4.0, cel=1.0, dabs=1.0,
        line=1.2, faint=0.12, full=0.45, ink=0.0, sky=0.9,
        lift=0.7, air=0.16, contrast=1.3, chroma=1.45, vivid=0.8, limit=0.24, hues=0.7,
        shadow=(0.0, -0.060), light=(0.014, 0.075), glow=0.0,
    ),
}  # fmt: skip


def look_named(name: str) -> Look:
    """The look of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in LOOKS:
        raise ConfigError(f"the painter knows no look called {name!r}; there are {', '.join(sorted(LOOKS))}")
    return LOOKS[name]


def softened(look: Look, strength: float) -> Look:
    """The same hand, more restrained: smaller brushes, fewer and softer steps, less change of colour.

    Args:
        strength: 1 is the look itself, 0 hardly paints at all.
    """
    if strength == 1:
        return look
    size = _SMALLEST + (1 - _SMALLEST) * strength
    return replace(
        look,
        brush=look.brush * size,
        fine=look.fine * size,
        keep=look.keep + (1.6 - look.keep) * (1 - strength),
        melt=look.melt * size,
        steps=look.steps / size,
        cel=look.cel * strength,
        dabs=look.dabs * strength,
        sky=look.sky * strength,
        lift=look.lift * strength,
        air=look.air * strength,
        contrast=1 + (look.contrast - 1) * strength,
        chroma=1 + (look.chroma - 1) * strength,
        vivid=look.vivid * strength,
        limit=look.limit + (0.35 - look.limit) * (1 - strength),
        hues=look.hues * strength,
        shadow=(look.shadow[0] * strength, look.shadow[1] * strength),
        light=(look.light[0] * strength, look.light[1] * strength),
        glow=look.glow * strength,
    )
