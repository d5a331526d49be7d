"""The pictures of the window in the documentation: python examples/make_window_pictures.py CLIP docs/pictures

Needs the extras ui and dev, and a Chromium. CLIP: a second or two is enough. It takes a minute or some.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "ui"))
from servers import serving

WIDE, NARROW = 1280, 400
SHOWN_WIDE, GAP = 1000, 20
PATIENCE_MS = 600_000


def fill(page: Page, clip: Path) -> None:
    """Do what a person does: choose, look, queue, watch, measure."""
    page.locator(".sv-card").first.wait_for()
    page.get_by_label("Drop a video or a picture").set_input_files(clip)
    page.locator("#sv-preview .sv-compare").wait_for()
    page.wait_for_function("[...document.querySelectorAll('.sv-card img')].every(i => i.naturalWidth > 0)")
    page.get_by_role("button", name="Preview 5 s").click()
    expect(page.locator("#sv-moving video")).to_have_count(2)
    page.get_by_role("button", name="Stylize").click()
    done = job(page, 1)
    expect(done).to_have_attribute("data-state", "done")
    done.get_by_role("button", name="Show").click()
    expect(done.locator("video")).to_have_count(2)
    page.wait_for_function("[...document.querySelectorAll('video')].every(v => v.readyState >= 3)")
    done.get_by_role("button", name="Measure flicker").click()
    done.locator("table").first.wait_for()
    for number in (2, 3):
        page.get_by_role("button", name="Stylize").click()
        page.get_by_text(f"Job {number} is in the queue").wait_for()
    job(page, 2).get_by_text(re.compile(r"\d of \d+ frames")).wait_for()


def job(page: Page, number: int) -> Locator:
    """A job's card."""
    return page.locator(f".sv-job:has(strong:text-matches('^{number} '))")


def shot(page: Page, folder: Path, name: str) -> Image.Image:
    """The whole page."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)
    with Image.open(folder / f"{name}.png") as picture:
        return picture.convert("RGB")


def side_by_side(parts: list[Image.Image]) -> Image.Image:
    """Strips of one height with a gap between them."""
    width = sum(part.width for part in parts) + GAP * (len(parts) - 1)
    whole = Image.new("RGB", (width, parts[0].height), (148, 163, 184))
    left = 0
    for part in parts:
        whole.paste(part, (left, 0))
        left += part.width + GAP
    return whole


def main(clip: Path, out: Path) -> None:
    """Write window.webp and window-narrow.webp."""
    expect.set_options(timeout=PATIENCE_MS)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        folder = Path(name)
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        with serving(folder / "home") as server:
            page = browser.new_page(viewport={"width": WIDE, "height": 900})
            page.set_default_timeout(PATIENCE_MS)
            page.goto(server.address)
            fill(page, clip)
            wide = shot(page, folder, "wide")
            page.set_viewport_size({"width": NARROW, "height": 800})
            light = shot(page, folder, "light")
            page.get_by_role("button", name="Switch to dark colours").click()
            dark = shot(page, folder, "dark")
            jobs = page.locator("#sv-jobs").bounding_box()
            assert jobs is not None
            top = round(jobs["y"] + page.evaluate("window.scrollY")) - 10
            browser.close()
    wide = wide.resize((SHOWN_WIDE, round(wide.height * SHOWN_WIDE / wide.width)), Image.Resampling.LANCZOS)
    wide.save(out / "window.webp", quality=85, method=6)
    height = min(1500, dark.height - top)
    parts = [light.crop((0, 0, NARROW, height)), dark.crop((0, 0, NARROW, height))]
    whole = side_by_side([*parts, dark.crop((0, top, NARROW, top + height))])
    scale = 930 / whole.width
    whole = whole.resize((930, round(whole.height * scale)), Image.Resampling.LANCZOS)
    whole.save(out / "window-narrow.webp", quality=85, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
