"""Make the pictures of the README and of the documentation, and its gallery, with the styles as they are now.

    python examples/make_pictures.py examples/clip.mp4 docs [PICTURE …]

The strip and the gallery show a frame of the clip and of each further picture or video, one below the other;
CREDITS names those of the repository. Writes docs/pictures/*.jpg, docs/pictures/before-after.webp and
docs/styles.md. Run it again when the weights have changed; only the styles that come with the package are
shown. Three minutes on a free processor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw
from steady_any_network import Restless

from scenivid import StylizeSettings, stylize
from scenivid.engine.sheet import SheetSettings, contact_sheet, sheet
from scenivid.styles.zoo import entries

AT = Fraction(1)
SHOWN = ("aozora", "cel", "gouache")
MOVING = StylizeSettings(style="aozora", duration=Fraction(3, 2))
DETAIL = (0, 70, 340, 270)
"""The part of a frame in which dials are shown: left, top, right, bottom."""
MOST_BYTES = 1_500_000
CREDITS = (
    "The pictures: a frame of examples/clip.mp4, water5 (endless-sky-data, public domain), leuvenA "
    "(opencv-doc, Apache-2.0), flower.mp4 (MDN web docs, CC0)."
)


def main() -> None:
    """Make them all."""
    clip, docs, *more = map(Path, sys.argv[1:])
    pictures = docs / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    rows([clip, *more], SHOWN, 330, pictures / "strip.jpg")
    gallery([clip, *more], docs / "styles.md", pictures)
    with TemporaryDirectory() as scratch:
        place = Path(scratch)
        still = place / "still.png"
        stylize(clip, place / "one", StylizeSettings(style="none", start=AT, duration=Fraction(1, 30)))
        next((place / "one").iterdir()).rename(still)
        dials(still, place, pictures)
        moving(clip, place, pictures)


def rows(sources: list[Path], styles: tuple[str, ...], width: int, output: Path) -> None:
    """A frame of each source and what the styles make of it, one row a source, names below the last."""
    made = []
    with TemporaryDirectory() as scratch:
        for number, source in enumerate(sources):
            row = Path(scratch, f"{number}.png")
            at = AT if source.suffix == ".mp4" else Fraction(0)
            last = number == len(sources) - 1
            sheet(source, row, SheetSettings(styles, at, width, 1 + len(styles), labels=last))
            made.append(Image.open(row).convert("RGB"))
    joined = Image.new("RGB", (max(row.width for row in made), sum(row.height for row in made)), "white")
    top = 0
    for row in made:
        joined.paste(row, (0, top))
        top += row.height
    save(joined, output)


def gallery(sources: list[Path], page: Path, pictures: Path) -> None:
    """One picture and the main facts of every embedded style."""
    lines = [
        "# Styles",
        "<!-- Written by examples/make_pictures.py: change that, not this. -->",
        "See them on a picture or a frame of your own:",
        "```",
        "scenivid styles sheet IN OUT.jpg",
        "```",
        "",
    ]
    for entry in entries():
        if entry.place != "embedded":
            continue
        card, name = entry.card, entry.name
        rows(sources, (name,), 620, pictures / f"style-{name}.jpg")
        lines += [f"## {name}", card.description, "", f"![source and {name}](pictures/style-{name}.jpg)", ""]
        lines += [f"- Use: `scenivid stylize in.mp4 out.mp4 --style {name}`"]
        lines += [f"- Lines: `--ink {card.ink:g}` unless you say otherwise"] if card.ink is not None else []
        lines += [f"- Painted at {card.paint} px, finished at full size"] if card.paint else []
        lines += [f"- Licence: {card.licence}", f"- Limits: {card.limits}", ""]
    lines += [CREDITS, ""] if len(sources) > 1 else []
    lines += [
        "More of each style, its data with their licences and its figures: `scenivid styles info NAME`.",
        "",
    ]
    page.write_text("\n".join(lines))


def dials(still: Path, place: Path, pictures: Path) -> None:
    """What strength, ink and paint do to one frame."""
    rows: dict[str, tuple[str, list[tuple[str, float]]]] = {
        "strength": ("aozora", [("0", 0.0), ("0.25", 0.25), ("0.5", 0.5), ("1", 1.0)]),
        "ink": ("cel", [("0", 0.0), ("0.5", 0.5), ("1", 1.0)]),
        "paint": ("aozora", [("180", 180), ("240", 240), ("336", 336)]),
    }
    for dial, (style, values) in rows.items():
        shown = []
        for label, value in values:
            output = place / f"{dial}-{label}.png"
            stylize(still, output, replace(StylizeSettings(style=style), **{dial: value}))
            shown.append((f"--{dial} {label}", Image.open(output).convert("RGB").crop(DETAIL)))
        save(contact_sheet(shown, 1300 // len(shown), len(shown)), pictures / f"dial-{dial}.jpg")


def moving(clip: Path, place: Path, pictures: Path) -> None:
    """Before and after as a loop; what coherence does to one row of pixels over time, also of a network that
    flickers on purpose."""
    before = frames(clip, place / "before", replace(MOVING, style="none"))
    slices = [("source", time_slice(before))]
    for value in (0.0, 0.7, 1.0):
        after = frames(clip, place / f"after-{100 * value:.0f}", replace(MOVING, consistency=value))
        slices.append((f"--consistency {value:g}", time_slice(after)))
        if value == MOVING.consistency:
            loop(before, after, pictures / "before-after.webp")
    save(contact_sheet(slices, 640, 2), pictures / "dial-consistency.jpg")
    restless = [("source", time_slice(before))]
    for label, value in (("each frame alone", 0.0), ("--consistency 0.7", 0.7), ("--consistency 1", 1.0)):
        folder = place / f"restless-{100 * value:.0f}"
        after = frames(clip, folder, replace(MOVING, consistency=value), Restless())
        restless.append((label, time_slice(after)))
    save(contact_sheet(restless, 640, 2), pictures / "coherence.jpg")


def frames(
    clip: Path, folder: Path, settings: StylizeSettings, stylizer: Restless | None = None
) -> list[Image.Image]:
    """Frames of the clip under `settings`."""
    stylize(clip, folder, settings, stylizer=stylizer)
    return [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]


def time_slice(pictures: list[Image.Image], row: float = 0.62, stretch: int = 6) -> Image.Image:
    """One row of pixels of every frame, below each other: time runs down. What flickers shows as stripes."""
    rows = [np.asarray(picture)[round(row * picture.height)] for picture in pictures]
    return Image.fromarray(np.repeat(np.stack(rows), stretch, axis=0))


def loop(before: list[Image.Image], after: list[Image.Image], output: Path) -> None:
    """A wipe over the moving pictures, forth and back, no larger than MOST_BYTES."""
    made = list(wiped(before, after))
    made += made[::-1]
    for width, quality in ((640, 70), (560, 60), (480, 50), (400, 40), (320, 30)):
        size = (width, round(width * made[0].height / made[0].width))
        small = [picture.resize(size, Image.Resampling.LANCZOS) for picture in made]
        small[0].save(output, save_all=True, append_images=small[1:], duration=83, loop=0,
                      quality=quality, method=4)  # fmt: skip
        if output.stat().st_size <= MOST_BYTES:
            return


def wiped(before: list[Image.Image], after: list[Image.Image]) -> Iterator[Image.Image]:
    """Every other frame; left of a line that moves to the right the result, right of it the source."""
    for index in range(0, len(before), 2):
        made = before[index].copy()
        x = round(made.width * (0.05 + 0.9 * index / (len(before) - 1)))
        made.paste(after[index].crop((0, 0, x, made.height)), (0, 0))
        ImageDraw.Draw(made).line([(x, 0), (x, made.height)], (255, 255, 255), 3)
        yield made


def save(picture: Image.Image, output: Path) -> None:
    """As JPEG, of a moderate size."""
    picture.save(output, quality=85, optimize=True)


if __name__ == "__main__":
    main()
