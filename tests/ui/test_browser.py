"""The page in a real browser: what a person does who never opens a terminal."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
from servers import Server, h264_clip, serving

pytest.importorskip("gradio", reason="the window is an extra: pip install 'scenivid[ui]'")
if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'scenivid[dev]'")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = os.environ.get("SCENIVID_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
PICTURES = os.environ.get("SCENIVID_SCREENSHOTS")
"""Where screenshots go, to look at."""
PATIENCE_MS = 240_000
"""A machine may be busy; where it isn't, nothing here takes three seconds."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"no browser here: install one of {', '.join(BROWSERS)}"),
]


@pytest.fixture
def wrong() -> Iterator[list[str]]:
    """What the console complains of: it fails the test."""
    said: list[str] = []
    yield said
    assert not said


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as play:
        sync_api.expect.set_options(timeout=PATIENCE_MS)
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: it keeps users apart, and each page is a user."""
    with serving(tmp_path_factory.mktemp("home"), "--multi-user") as server:
        yield server


Visit = Callable[[], sync_api.Page]


@pytest.fixture
def visit(server: Server, browser: sync_api.Browser, wrong: list[str]) -> Iterator[Visit]:
    """Opens the page as somebody new, at 1280 pixels."""
    contexts = []

    def visited() -> sync_api.Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on(
            "console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(server.address)
        page.locator(".sv-card").first.wait_for()
        return page

    yield visited
    for context in contexts:
        context.close()


@pytest.fixture
def page(visit: Visit) -> sync_api.Page:
    """Somebody's page."""
    return visit()


def test_from_upload_to_download(page: sync_api.Page, tmp_path: Path) -> None:
    _bring(page, h264_clip(tmp_path / "walk.mp4", frames=36))
    _compare(page)
    _dials(page)
    page.get_by_role("button", name="Stylize").click()
    page.get_by_text("Job 1 is in the queue").wait_for()
    page.get_by_role("button", name="Stylize").click()
    done, stopped = (page.locator(f".sv-job:has(strong:text-matches('^{number} '))") for number in (1, 2))
    stopped.get_by_role("button", name="Cancel").click()
    sync_api.expect(stopped).to_have_attribute("data-state", "stopped")
    sync_api.expect(done).to_have_attribute("data-state", "done")
    page.reload()
    sync_api.expect(stopped).to_have_attribute("data-state", "stopped")
    sync_api.expect(done).to_have_attribute("data-state", "done")
    sync_api.expect(page.locator("#sv-preview .sv-compare")).to_be_visible()  # and the file is still chosen
    with page.expect_download() as begun:
        done.get_by_role("link", name="Download").click()
    begun.value.save_as(tmp_path / "got.mp4")
    with av.open(str(tmp_path / "got.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 36
    _plays_in_sync(page, done)
    done.get_by_role("button", name="Measure flicker").click()
    sync_api.expect(done.locator("table").first).to_contain_text("source")
    _shot(page, "wide")
    _narrow_and_dark(page)
    stopped.get_by_role("button", name="Resume").click()
    sync_api.expect(stopped).to_have_attribute("data-state", "done")


def test_five_seconds_move_with_and_without_coherence(page: sync_api.Page, tmp_path: Path) -> None:
    _bring(page, h264_clip(tmp_path / "walk.mp4", frames=12))
    page.get_by_role("button", name="Preview 5 s").click()
    videos = page.locator("#sv-moving video")
    sync_api.expect(videos).to_have_count(2)
    sync_api.expect(videos.first).to_be_visible()
    page.wait_for_function("[...document.querySelectorAll('#sv-moving video')].every(v => v.readyState >= 2)")
    assert videos.evaluate_all("all => all.map(video => video.videoWidth)") == [160, 160]
    _shot(page, "moving")


def test_no_answer_takes_gradio_s_queue_which_loses_some(page: sync_api.Page) -> None:
    """There, an event that begins while the stream of events closes never hears of its end (Gradio 6.31)."""
    events = page.evaluate("fetch('/config').then(answer => answer.json())")["dependencies"]
    asked = [event for event in events if event["backend_fn"]]
    assert len(asked) >= 6
    assert [event["id"] for event in asked if event["queue"] is not False] == []


def test_what_is_no_video_is_said_beside_the_upload(
    page: sync_api.Page, tmp_path: Path, wrong: list[str]
) -> None:
    (tmp_path / "notes.mp4").write_text("This is a text file.")
    page.get_by_label("Drop a video or a picture").set_input_files(tmp_path / "notes.mp4")
    sync_api.expect(page.locator(".sv-drop [role=alert]")).to_contain_text("notes.mp4: not a video file")
    wrong[:] = [text for text in wrong if "status of 422" not in text]  # the browser's own word about it


def test_two_browsers_dont_see_each_other(visit: Visit, tmp_path: Path) -> None:
    one, other = visit(), visit()
    _bring(one, h264_clip(tmp_path / "walk.mp4", frames=2))
    one.get_by_role("button", name="Stylize").click()
    address = one.locator(".sv-job a").get_attribute("href")
    other.reload()
    other.get_by_text("None yet").wait_for()
    assert other.locator(".sv-job").count() == 0
    status = "address => fetch(address.replace('/result', '')).then(answer => answer.status)"
    assert one.evaluate(status, address) == 200
    assert other.request.get(f"{other.url.rstrip('/')}{address}").status == 404


def _bring(page: sync_api.Page, clip: Path) -> None:
    page.get_by_label("Drop a video or a picture").set_input_files(clip)
    sync_api.expect(page.locator(".sv-file-name")).to_contain_text("walk.mp4: 160 × 96")


def _compare(page: sync_api.Page) -> None:
    """The preview is there, and its slider moves by keyboard and by mouse."""
    figure = page.locator("#sv-preview .sv-compare")
    figure.wait_for()
    page.wait_for_function(
        "[...document.querySelectorAll('#sv-preview img')].every(i => i.naturalWidth === 160)"
    )
    slider = figure.get_by_label("Before and after")
    slider.focus()
    page.keyboard.press("Home")
    assert figure.evaluate("figure => figure.style.getPropertyValue('--at')") == "0%"
    box = figure.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    at = figure.evaluate("figure => parseFloat(figure.style.getPropertyValue('--at'))")
    assert 65 < at < 85
    page.wait_for_function("[...document.querySelectorAll('.sv-card img')].every(i => i.naturalWidth > 0)")


def _dials(page: sync_api.Page) -> None:
    """A dial changes the picture and the command line; styles are chosen with arrow keys."""
    after = page.locator("#sv-preview .sv-after")
    before = after.get_attribute("src")
    page.get_by_label("number input for Strength").fill("0.5")
    page.keyboard.press("Tab")
    command = page.locator("#sv-command textarea")
    sync_api.expect(command).to_have_value(re.compile(r"--strength 0\.5 "))
    sync_api.expect(after).not_to_have_attribute("src", before or "")
    page.get_by_role("radio", name="aozora").focus()
    page.keyboard.press("ArrowRight")
    sync_api.expect(command).to_have_value(
        "scenivid stylize walk.mp4 walk-cel.mp4 --style cel --strength 0.5 --consistency 0.7 --paint auto"
    )


def _plays_in_sync(page: sync_api.Page, job: sync_api.Locator) -> None:
    job.get_by_role("button", name="Show").click()
    videos = job.locator("video")
    sync_api.expect(videos).to_have_count(2)
    page.wait_for_function("[...document.querySelectorAll('.sv-job video')].every(v => v.readyState >= 3)")
    job.get_by_role("button", name="Play").click()
    page.wait_for_function("[...document.querySelectorAll('.sv-job video')].every(v => v.currentTime > 0.3)")
    job.get_by_role("button", name="Pause").click()
    page.wait_for_function(
        "[...document.querySelectorAll('.sv-job video')].every(v => v.paused && !v.seeking)"
    )
    one, other = videos.evaluate_all("all => all.map(video => video.currentTime)")
    assert abs(one - other) < 0.04  # a frame
    job.get_by_label("Position").focus()
    page.keyboard.press("End")
    page.wait_for_function("[...document.querySelectorAll('.sv-job video')].every(v => v.currentTime > 1.4)")


def _narrow_and_dark(page: sync_api.Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 400
    _shot(page, "narrow")
    page.get_by_role("button", name="Switch to dark colours").click()
    assert page.evaluate("document.body.classList.contains('dark')")
    _shot(page, "narrow-dark")
    page.set_viewport_size({"width": 1280, "height": 900})
    _shot(page, "wide-dark")


def _shot(page: sync_api.Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
