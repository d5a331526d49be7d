"""A procedural painter: photographs in, brushwork out. It makes the pairs the lite networks learn from.

Everything it does is local (about 50 px around each pixel) and deterministic, so that a small convolutional
network can learn all of it, and so that nothing in it depends on what the rest of a video frame shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.training.painter.colour import Hue, Palette, grade
from scenivid.training.painter.filters import (
    along_strokes,
    gaussian,
    guided,
    kuwahara,
    luma,
    sharpen,
    shock,
    structure,
)

_SMALLEST = 0.35
"""Size of the brushes at strength 0, relative to those at 1."""


@dataclass(frozen=True)
class Brush:
    """The strokes of a style, in pixels."""

    broad: float
    """Radius of the brush where the picture is calm or finely textured."""
    fine: float
    """Radius of the brush where there is structure to keep: faces, letters, windows."""
    stroke: float
    """Length of a stroke along an edge, to either side."""
    crisp: float
    """How far edges are pushed apart, 0..1."""
    contour: float
    """Darkness of contours, 0..1."""
    facet: float
    """Gain of the differences between neighbouring strokes."""


@dataclass(frozen=True)
class Style:
    """One look."""

    brush: Brush
    palette: Palette


STYLES = {
    "aozora": Style(
        Brush(broad=5.0, fine=2.2, stroke=4.0, crisp=0.8, contour=0.35, facet=0.25),
        Palette(
            lift=0.52,
            contrast=1.25,
            shoulder=0.2,
            chroma=0.3,
            limit=0.25,
            keep=1.0,
            hues=(
                Hue(248, 34, chroma=0.95, shift=2, light=-0.03),
                Hue(284, 18, chroma=-0.15, shift=-14),
                Hue(112, 19, chroma=0.8, shift=14, light=0.1),
                Hue(142, 20, chroma=0.4, shift=-8, light=0.02),
                Hue(60, 32, chroma=0.25, light=0.02),
                Hue(10, 40, chroma=0.3),
            ),
            shadow=(0.016, -0.04),
            light=(0.003, 0.014),
            bloom=0.22,
        ),
    ),
    "gouache": Style(
        Brush(broad=7.0, fine=3.0, stroke=6.0, crisp=0.6, contour=0.1, facet=0.6),
        Palette(
            lift=0.3,
            contrast=0.95,
            shoulder=0.1,
            chroma=0.0,
            limit=0.16,
            keep=0.75,
            hues=(
                Hue(250, 38, chroma=0.15, shift=-6),
                Hue(120, 28, chroma=0.1, shift=-4),
                Hue(60, 32, chroma=0.2, light=0.02),
            ),
            shadow=(0.006, -0.012),
            light=(0.002, 0.018),
            bloom=0.06,
        ),
    ),
}


def style_named(name: str) -> Style:
    """The style of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in STYLES:
        raise ConfigError(f"no painter's style is called {name!r}; there are {', '.join(sorted(STYLES))}")
    return STYLES[name]


def softened(style: Style, strength: float) -> Style:
    """The same hand, more restrained: smaller brushes and less change of colour.

    Args:
        strength: 1 is the style itself, 0 leaves the colours alone.
    """
    if strength == 1:
        return style
    brush, palette = style.brush, style.palette
    size = _SMALLEST + (1 - _SMALLEST) * strength
    return Style(
        Brush(
            broad=brush.broad * size,
            fine=brush.fine * size,
            stroke=brush.stroke * size,
            crisp=brush.crisp * strength,
            contour=brush.contour * strength,
            facet=brush.facet * strength,
        ),
        replace(
            palette,
            lift=palette.lift * strength,
            contrast=1 + (palette.contrast - 1) * strength,
            shoulder=palette.shoulder * strength,
            chroma=palette.chroma * strength,
            keep=1 + (palette.keep - 1) * strength,
            hues=tuple(
                Hue(hue.centre, hue.width, hue.chroma * strength, hue.shift * strength, hue.light * strength)
                for hue in palette.hues
            ),
            shadow=(palette.shadow[0] * strength, palette.shadow[1] * strength),
            light=(palette.light[0] * strength, palette.light[1] * strength),
            bloom=palette.bloom * strength,
        ),
    )


@torch.no_grad()
def paint(image: Tensor, style: Style) -> Tensor:
    """Paint photographs.

    Args:
        image: [N, 3, H, W] float in [0, 1], H and W at least 48.

    Returns:
        Same shape and range.
    """
    brush = style.brush
    calm = guided(image, luma(image), 2, 0.0008)
    _, order = structure(calm, 3.0)
    # Disordered texture, such as glitter on water, is not worth keeping however strong it is.
    order = (0.3 + 0.9 * order).clamp(max=1)
    painted, kept = _brushwork(calm, order, brush)
    tangent, anisotropy = structure(painted, 2.5)
    steps = max(2, round(brush.stroke / 1.3))
    length = anisotropy * (1 - 0.7 * kept) * (brush.stroke / steps)
    painted = along_strokes(painted, tangent, length, steps)
    push = brush.crisp * order * (1 - kept)
    painted = shock(painted, 2.0, 0.006, push)
    painted = shock(painted, 1.2, 0.02, push * 0.5)
    if brush.facet:
        painted = sharpen(painted, 2.5, brush.facet * 2)
    graded = grade(painted, style.palette)
    return _contours(graded, painted, brush.contour).clamp(0, 1)


def _brushwork(image: Tensor, order: Tensor, brush: Brush) -> tuple[Tensor, Tensor]:
    """A broad brush, a fine one where structure would be lost, and none where even that would lose it.

    Returns:
        The painted image, and where the image was kept as it is, [N, 1, H, W] in [0, 1].
    """
    broad, fine = kuwahara(image, brush.broad), kuwahara(image, brush.fine)
    painted = broad + _loss(broad, fine, 0.04) * order * (fine - broad)
    kept = _loss(fine, image, 0.02) * order
    return painted + kept * (image - painted), kept


def _loss(coarse: Tensor, fine: Tensor, knee: float) -> Tensor:
    """How much contrast `coarse` loses against `fine`: 0 for noise and weak texture, 1 from `knee` on."""
    lost = (gaussian((luma(fine) - luma(coarse)).abs(), 2.5) / knee).clamp(0, 1)
    return lost * lost * (3 - 2 * lost)


def _contours(graded: Tensor, painted: Tensor, darkness: float) -> Tensor:
    """Thin dark-violet lines on the dark side of strong edges (after XDoG, Winnemöller et al. 2012)."""
    grey = luma(painted)
    narrow, wide = gaussian(grey, 0.8), gaussian(grey, 1.8)
    line = torch.tanh(((wide - narrow) / 0.03).clamp(min=0) ** 1.5)
    ink = graded * torch.tensor([0.45, 0.40, 0.58], dtype=graded.dtype, device=graded.device)[:, None, None]
    return graded + darkness * line * (ink - graded)
