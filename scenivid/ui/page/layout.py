"""What is on the page, and where."""

from __future__ import annotations

from typing import Any

import gradio as gr

from scenivid.ui.choices import Choices
from scenivid.ui.page.events import EMPTY, Parts, follow_buttons, follow_dials, formats_of
from scenivid.ui.page.theme import STATIC
from scenivid.ui.studio import Studio

_OWN_INK = 0.5
_PAINT = [("as trained", "auto"), ("360", "360"), ("540", "540"), ("720", "720"), ("full size", "full")]


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
                compare = gr.HTML(EMPTY, elem_id="sv-preview")
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
        parts = Parts(source, style, at, *dials)
        follow_dials(studio, parts, compare, command, [moving, go])
        follow_buttons(studio, parts, go, moving, said, begun)
        path.submit(None, [path], [source], js="(path) => path.trim()")
    return page


def _path(studio: Studio) -> gr.Textbox:
    folders = studio.sources.folders
    return gr.Textbox(
        label="Or a file on the server", info="Enter takes it.", visible=bool(folders), elem_id="sv-path",
        placeholder=str(folders[0] / "clip.mp4") if folders else "",
    )  # fmt: skip


def _dials() -> tuple[Any, ...]:
    """In the order of `Parts`."""
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
        kind = gr.Dropdown(formats_of(False), value="mp4", label="Format")
    return strength, own_ink, ink, consistency, paint, start, duration, kind


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
