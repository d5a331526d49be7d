"""What the page does when somebody moves a dial or presses a button."""

from __future__ import annotations

import html
import json
import logging
from dataclasses import dataclass
from typing import Any

import gradio as gr

from scenivid.errors import ScenividError, one_line
from scenivid.ui.choices import FORMATS, PICTURES, Choices
from scenivid.ui.sources import Source
from scenivid.ui.stills import Still
from scenivid.ui.studio import Studio
from scenivid.ui.work.jobs import result_name

_log = logging.getLogger(__name__)
EMPTY = '<p class="sv-empty">The preview appears here as soon as a video or a picture is chosen.</p>'


@dataclass(frozen=True, eq=False)
class Parts:
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


def follow_dials(
    studio: Studio, parts: Parts, compare: gr.HTML, command: gr.Textbox, buttons: list[gr.Button]
) -> None:
    """Have the still and the command line follow the dials."""

    def brought(source: str, request: gr.Request) -> list[Any]:
        try:
            found = studio.sources.find(_user(request), source)
        except ScenividError as exc:
            return [_alert(exc), gr.skip(), *[gr.Button(interactive=False)] * 2, gr.skip()]
        last = max(0.0, (found.duration or 0.0) - 1 / max(found.rate_hz, 1))
        slider = gr.Slider(
            minimum=0, maximum=max(0.1, round(last, 1)), value=round(last / 3, 1), interactive=not found.still
        )
        formats = gr.Dropdown(formats_of(found.still), value="png" if found.still else "mp4")
        return [
            gr.skip(), slider, gr.Button(interactive=not found.still), gr.Button(interactive=True), formats,
        ]  # fmt: skip

    def still(source: str, at: float, request: gr.Request, *dials: Any) -> str:
        if not source:
            return EMPTY
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


def follow_buttons(
    studio: Studio, parts: Parts, go: gr.Button, moving: gr.Button, said: gr.HTML, begun: gr.Textbox
) -> None:
    """Have the buttons do their work."""

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


def formats_of(still: bool) -> list[tuple[str, str]]:
    """Names and values of the formats that a video, or a still picture, may become."""
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
