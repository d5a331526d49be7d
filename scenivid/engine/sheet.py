"""One frame in every style, as a labelled contact sheet."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from scenivid.engine.chain import Chain
from scenivid.engine.run import still
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.stages import Stopwatch
from scenivid.errors import CheckpointError, ConfigError
from scenivid.machine import aside
from scenivid.machine.cores import set_up
from scenivid.machine.devices import resolve_device
from scenivid.pixels import Clip, to_float, to_pixels
from scenivid.styles.zoo import entries
from scenivid.video.open import open_video
from scenivid.video.tonemap import tonemap

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_PAPER, _TEXT = (250, 250, 248), (40, 40, 44)
_QUALITY = 88
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SheetSettings:
    """What a sheet shows, besides the source."""

    styles: tuple[str, ...] = ()
    """Names or files; empty: every style on this machine."""
    at: Fraction = Fraction(0)
    """Seconds into the source."""
    width: int = 480
    """Pixels of one picture."""
    columns: int | None = None
    """Pictures beside each other; None: as many as look even."""
    labels: bool = True
    """Names below the pictures."""
    look: StylizeSettings = StylizeSettings()
    """Dials: strength, ink, paint, device and so on."""
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.width < 16:
            raise ConfigError(f"width must be at least 16 pixels, got {self.width}")
        if self.columns is not None and self.columns < 1:
            raise ConfigError(f"columns must be at least 1, got {self.columns}")


def sheet(source: Path, output: Path, settings: SheetSettings | None = None) -> tuple[str, ...]:
    """Write `output`: the frame of a video or the picture `source`, and what each style makes of it.

    Returns:
        The styles on it, in order, after the source.

    Raises:
        InputError: the source can't be read, or has no frame there.
        OutputError: the output can't be written.
        ConfigError: its suffix isn't one of SUFFIXES, or a style that was named doesn't exist.
        CheckpointError: a style that was named can't be loaded.
    """
    settings = settings or SheetSettings()
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{output}: a sheet is one of {', '.join(SUFFIXES)}")
    aside.check(output, source, settings.overwrite)
    frame = first_frame(source, settings.at, settings.look)
    pictures = [("source", _picture(frame))]
    for name, styled in styled_frames(frame, settings.styles or styles_here(), settings.look):
        pictures.append((name, _picture(styled)))
    made = contact_sheet(pictures, settings.width, settings.columns, settings.labels)
    kind = {".jpg": "JPEG", ".jpeg": "JPEG"}.get(output.suffix.lower(), output.suffix[1:].upper())
    with aside.whole(output) as part:
        made.save(part, kind, quality=_QUALITY)
    return tuple(name for name, _ in pictures[1:])


def styles_here() -> tuple[str, ...]:
    """Every style that is on this machine: embedded and installed."""
    return tuple(entry.name for entry in entries() if entry.path is not None)


def first_frame(source: Path, at: Fraction, look: StylizeSettings) -> Clip:
    """The first frame that begins `at` seconds or later, HDR tone-mapped.

    Raises:
        InputError: the source can't be read, or has no frame there.
    """
    with open_video(source, look.decoder, at or None, None, look.reading) as reader:
        clip = next(reader.clips(1))
        return tonemap(clip, reader.info) if reader.info.color.hdr else clip


def styled_frames(frame: Clip, styles: Sequence[str], look: StylizeSettings) -> Iterator[tuple[str, Clip]]:
    """The frame in each style; one that can't be loaded is left out with a warning, unless all are."""
    device = resolve_device(look.device)
    size = (frame.pixels.shape[2], frame.pixels.shape[3])
    left_out = 0
    for name in styles:
        notes: list[str] = []
        try:
            chain = Chain.build(still(replace(look, style=name)), device, None, size, torch.uint8, notes)
        except CheckpointError as exc:
            left_out += 1
            if left_out == len(styles):
                raise
            _log.warning("%s: left out: %s", name, exc)
            continue
        with set_up(chain.threads), chain.running(chain.parts([frame]), Stopwatch()) as results:
            (styled,) = [part.source for part in results]
        assert isinstance(styled, Clip)
        yield name, styled


def contact_sheet(
    pictures: Sequence[tuple[str, Image.Image]], width: int, columns: int | None = None, labels: bool = True
) -> Image.Image:
    """Pictures of one shape with their names below, in rows.

    Args:
        pictures: at least one.
        width: of each, in pixels.
        columns: in a row; None: as many as make the sheet about as wide as a screen.
        labels: whether names are written.
    """
    first = pictures[0][1]
    height = max(1, round(width * first.height / first.width))
    gap, strip = max(2, width // 40), (max(14, width // 11) if labels else 0)
    columns = columns or _columns(len(pictures), width / (height + strip))
    rows = math.ceil(len(pictures) / columns)
    size = (columns * (width + gap) + gap, rows * (height + strip + gap) + gap)
    made = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(made)
    font = ImageFont.load_default(strip * 0.72) if labels else None
    for index, (name, picture) in enumerate(pictures):
        x, y = gap + index % columns * (width + gap), gap + index // columns * (height + strip + gap)
        made.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (x, y))
        if font is not None:
            pen.text((x + 2, y + height + strip // 2), name, _TEXT, font, anchor="lm")
    return made


def _columns(count: int, shape: float) -> int:
    """As many as make rows that are wide, 16:9 or so, and the last one full if possible."""

    def loss(columns: int) -> float:
        rows = math.ceil(count / columns)
        empty = columns * rows - count
        return abs(math.log(columns * shape / rows / 1.78)) + 0.4 * empty

    return min(range(1, count + 1), key=loss)


def _picture(frame: Clip) -> Image.Image:
    """As it looks on black."""
    pixels = to_float(frame.pixels[:1])
    if frame.alpha is not None:
        pixels = pixels * to_float(frame.alpha[:1])
    return Image.fromarray(to_pixels(pixels, torch.uint8)[0].permute(1, 2, 0).contiguous().numpy())
