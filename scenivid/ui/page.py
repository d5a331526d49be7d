"""The page: Gradio lays it out and carries the dials; what Gradio has no part for lies in static/."""

from __future__ import annotations

import html
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from scenivid.errors import ScenividError, one_line
from scenivid.ui.choices import FORMATS, PICTURES, Choices
from scenivid.ui.jobs import result_name
from scenivid.ui.sources import Source
from scenivid.ui.stills import Still
from scenivid.ui.studio import Studio

STATIC = Path(__file__).parent / "static"
HEAD = (
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="stylesheet" href="/scenivid/page.css">'
    '<script type="module" src="/scenivid/main.js"></script>'
)
_OWN_INK = 0.5
_log = logging.getLogger(__name__)
_PAINT = [("as trained", "auto"), ("360", "360"), ("540", "540"), ("720", "720"), ("full size", "full")]
_EMPTY = '<p class="sv-empty">The preview appears here as soon as a video or a picture is chosen.</p>'


@dataclass(frozen=True, eq=False)
class _Parts:
    """What the events read and write."""

    source: gr.Textbox
    style: gr.Textbox
    at: gr.Slider
    strength: gr.Slider
    own_ink: gr.Checkbox
    ink: gr.Slider
    consistency: gr.Slider
    paint: gr.Radio
    start: gr.Number
    duration: gr.Number
    format: gr.Dropdown

    @property
    def dials(self) -> list[Any]:
        """In the order in which `_choices` takes them."""
        return [
            self.style, self.strength, self.own_ink, self.ink, self.consistency, self.paint, self.start,
            self.duration, self.format,
        ]  # fmt: skip


def theme() -> gr.themes.Base:
    """Calm colours, and fonts that every system has: nothing is fetched from elsewhere."""
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    return gr.themes.Soft(
        primary_hue="sky",
        secondary_hue="sky",
        neutral_hue="slate",
        radius_size="md",
        font=sans,
        font_mono=mono,
    ).set(
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        body_text_color_subdued="*neutral_500",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_600",
        checkbox_border_color="*neutral_400",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="*neutral_300",
        checkbox_label_border_color_dark="*neutral_600",
        slider_color="*primary_600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
    )


def build_page(studio: Studio) -> gr.Blocks:
    """The page over a studio."""
    page = gr.Blocks(title="scenivid", analytics_enabled=False)
    with page:
        gr.HTML(_static("header.html"), elem_id="sv-header")
        with gr.Row(elem_id="sv-work"):
            with gr.Column(elem_id="sv-bring", min_width=0):
                gr.HTML(_static("drop.html"), elem_id="sv-drop")
                path = _path(studio)
            with gr.Column(elem_id="sv-see", min_width=0):
                compare = gr.HTML(_EMPTY, elem_id="sv-preview")
                at = gr.Slider(
                    0, 1, 0, step=0.1, label="Preview at second", interactive=False, elem_id="sv-at"
                )
                with gr.Row():
                    moving = gr.Button(
                        "Preview 5 s", interactive=False, elem_id="sv-move", min_width=120, size="md"
                    )
                    go = gr.Button(
                        "Stylize",
                        variant="primary",
                        interactive=False,
                        elem_id="sv-go",
                        min_width=120,
                        size="md",
                    )
                said = gr.HTML("", elem_id="sv-said")
                gr.HTML('<div id="sv-moving" aria-live="polite"></div>', elem_id="sv-moving-box")
                command = gr.Textbox(
                    label="The same in a terminal", interactive=False, buttons=["copy"], lines=2,
                    elem_id="sv-command",
                )  # fmt: skip
            with gr.Column(elem_id="sv-dial", min_width=0):
                gr.HTML('<fieldset id="sv-cards"><legend>Style</legend></fieldset>', elem_id="sv-styles")
                dials = _dials()
        gr.HTML(_static("jobs.html"), elem_id="sv-jobs")
        source = gr.Textbox(visible="hidden", elem_id="sv-source", show_label=False)
        style = gr.Textbox(Choices.style, visible="hidden", elem_id="sv-style", show_label=False)
        begun = gr.Textbox(visible="hidden", show_label=False)
        parts = _Parts(source, style, at, *dials)
        _look(studio, parts, compare, command, [moving, go])
        _act(studio, parts, go, moving, said, begun)
        path.submit(None, [path], [source], js="(path) => path.trim()")
    return page


def _path(studio: Studio) -> gr.Textbox:
    folders = studio.sources.folders
    return gr.Textbox(
        label="Or a file on the server", info="Enter takes it.", visible=bool(folders), elem_id="sv-path",
        placeholder=str(folders[0] / "clip.mp4") if folders else "",
    )  # fmt: skip


def _dials() -> tuple[Any, ...]:
    """In the order of `_Parts`."""
    strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", info="0: the source, 1: the full style")
    own_ink = gr.Checkbox(False, label="Set the ink", info="else the style's own")
    ink = gr.Slider(0, 1, _OWN_INK, step=0.05, label="Ink", info="0: no lines, 1: black ones", visible=False)
    consistency = gr.Slider(
        0, 1, Choices.consistency, step=0.05, label="Consistency", info="0: each frame alone, 1: steadiest"
    )
    paint = gr.Radio(
        _PAINT, value="auto", label="Painting size",
        info="short side in pixels: larger means finer strokes, and slower",
    )  # fmt: skip
    with gr.Accordion("Part and format", open=False):
        with gr.Row():
            start = gr.Number(0, label="Start (s)", minimum=0, min_width=100)
            duration = gr.Number(None, label="Length (s)", minimum=0, min_width=100, placeholder="to the end")
        kind = gr.Dropdown(_formats(False), value="mp4", label="Format")
    return strength, own_ink, ink, consistency, paint, start, duration, kind


def _look(
    studio: Studio, parts: _Parts, compare: gr.HTML, command: gr.Textbox, buttons: list[gr.Button]
) -> None:
    """What follows the dials: the still, and the command line."""

    def brought(source: str, request: gr.Request) -> list[Any]:
        try:
            found = studio.sources.find(_user(request), source)
        except ScenividError as exc:
            return [_alert(exc), gr.skip(), *[gr.Button(interactive=False)] * 2, gr.skip()]
        last = max(0.0, (found.duration or 0.0) - 1 / max(found.rate_hz, 1))
        slider = gr.Slider(
            minimum=0, maximum=max(0.1, round(last, 1)), value=round(last / 3, 1), interactive=not found.still
        )
        formats = gr.Dropdown(_formats(found.still), value="png" if found.still else "mp4")
        return [
            gr.skip(), slider, gr.Button(interactive=not found.still), gr.Button(interactive=True), formats,
        ]  # fmt: skip

    def still(source: str, at: float, request: gr.Request, *dials: Any) -> str:
        if not source:
            return _EMPTY
        try:
            found = studio.sources.find(_user(request), source)
            made = studio.stills.still(_user(request), found, at, _choices(*dials))
        except Exception as exc:  # the page says it, whatever it is
            if not isinstance(exc, ScenividError):
                _log.exception("a still of %s", source)
            return _alert(exc)
        return _compared(found, made, at)

    def line(source: str, request: gr.Request, *dials: Any) -> str:
        if not source:
            return ""
        try:
            found = studio.sources.find(_user(request), source)
            choices = _choices(*dials)
            name = found.title if source.startswith("upload:") else str(found.path)
            return choices.command(name, result_name(found, choices), found.still)
        except ScenividError as exc:
            return one_line(exc)

    quiet: dict[str, Any] = {
        "show_progress": "hidden",
        "trigger_mode": "always_last",
        "api_visibility": "private",
        "queue": False,
    }
    begin = parts.source.change(
        brought, [parts.source], [compare, parts.at, *buttons, parts.format], **quiet,
    )  # fmt: skip
    frame: dict[str, Any] = {
        "fn": still, "inputs": [parts.source, parts.at, *parts.dials], "outputs": [compare],
        **quiet, "show_progress": "minimal",
    }  # fmt: skip
    text: dict[str, Any] = {
        "fn": line, "inputs": [parts.source, *parts.dials], "outputs": [command], **quiet,
    }  # fmt: skip
    begin.then(**frame)
    begin.then(**text)
    seen: list[Any] = [parts.style, parts.strength, parts.own_ink, parts.ink, parts.paint, parts.at]
    gr.on([part.change for part in seen], **frame)
    gr.on([part.change for part in parts.dials], **text)
    parts.own_ink.change(lambda own: gr.Slider(visible=own), [parts.own_ink], [parts.ink], **quiet)


def _act(
    studio: Studio, parts: _Parts, go: gr.Button, moving: gr.Button, said: gr.HTML, begun: gr.Textbox
) -> None:
    """What the buttons do."""

    def submit(source: str, request: gr.Request, *dials: Any) -> str:
        try:
            found = studio.sources.find(_user(request), source)
            job = studio.queue.submit(_user(request), found, _choices(*dials))
        except ScenividError as exc:
            return _alert(exc)
        return f'<p role="status">Job {job.number} is in the queue below.</p>'

    def move(source: str, at: float, request: gr.Request, *dials: Any) -> tuple[str, str]:
        try:
            found = studio.sources.find(_user(request), source)
            chore = studio.moving(_user(request), found, at, _choices(*dials))
        except ScenividError as exc:
            return "", _alert(exc)
        return json.dumps({"id": chore.id, "at": at}), ""

    private: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
    go.click(submit, [parts.source, *parts.dials], [said], **private).then(
        None, js="() => window.scenivid.refresh()", api_visibility="private"
    )
    moving.click(move, [parts.source, parts.at, *parts.dials], [begun, said], **private).then(
        None, [begun], js="(begun) => window.scenivid.moving(begun)", api_visibility="private"
    )


def _user(request: gr.Request) -> str:
    assert request.request is not None
    return str(request.request.state.user)


def _choices(
    style: str,
    strength: float,
    own_ink: bool,
    ink: float,
    consistency: float,
    paint: str,
    start: float | None,
    duration: float | None,
    kind: str,
) -> Choices:
    return Choices(
        style=style,
        strength=round(strength, 4),
        ink=round(ink, 4) if own_ink else None,
        consistency=round(consistency, 4),
        paint=int(paint) if paint.isdigit() else paint,
        start=start or None,
        duration=duration or None,
        format=None if kind in ("mp4", "png") else kind,
    )


def _formats(still: bool) -> list[tuple[str, str]]:
    names = {
        "mp4": "MP4 (H.264)", "mp4-hevc": "MP4 (HEVC)", "webm": "WebM (VP9)", "mov-prores": "MOV (ProRes)",
        "mkv-ffv1": "MKV (FFV1, lossless)", "gif": "GIF", "png": "PNG", "jpg": "JPEG",
    }  # fmt: skip
    return [(names[name], name) for name in FORMATS if (name in PICTURES) == still]


def _compared(source: Source, still: Still, at: float) -> str:
    title = html.escape(source.title)
    when = "" if source.still else f" at {at:g} s"
    address = f"/api/stills/{still.token}"
    return (
        f'<figure class="sv-compare" style="--ratio: {still.width} / {still.height}">'
        f'<img class="sv-after" src="{address}/after" alt="{title}{when}, stylized">'
        f'<img class="sv-before" src="{address}/before" alt="{title}{when}, as it is">'
        '<input type="range" min="0" max="100" step="0.5" value="50" aria-label="Before and after">'
        "<figcaption><span>before</span><span>after</span></figcaption></figure>"
    )


def _alert(exc: BaseException) -> str:
    return f'<p class="sv-alert" role="alert">{html.escape(one_line(exc))}</p>'


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
