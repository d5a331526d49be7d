"""What a child makes for the page, besides jobs: short previews that move, videos to play, figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2

from scenivid.errors import ScenividError, one_line
from scenivid.machine import aside
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip
from scenivid.progress import Meter, State
from scenivid.ui.choices import Choices, exact
from scenivid.ui.stills import picture
from scenivid.video.info import VideoInfo
from scenivid.video.open import open_video
from scenivid.video.tonemap import tonemap
from scenivid.video.writing.writer import WriterSettings, open_writer

Tell = Callable[..., None]
"""Called with an event and its values."""
Progress = Callable[[int, int | None], None]
VIEW_SHORT_SIDE = 720
"""Of what the page plays in place of something that browsers can't, in pixels."""
MOVING_SHORT_SIDE = 540
"""Of a moving preview: what styles paint at, so that strokes are as large as in the result."""
_PLAYED = {"h264", "vp8", "vp9", "av1"}
_CONTAINERS = ("mov", "mp4", "matroska,webm", "webm")


def run(command: str, values: Mapping[str, Any], tell: Tell) -> None:
    """Do one errand and exit: 0 done, 1 with an `error` told."""

    def show(state: State) -> None:
        tell("progress", **state.as_json())

    meter = Meter(show)
    try:
        _ERRANDS[command](values, meter)
    except Exception as exc:  # the last place where it can become a line for people
        if not isinstance(exc, ScenividError):
            sys.excepthook(type(exc), exc, exc.__traceback__)
        tell("error", text=one_line(exc))
        sys.exit(1)


def plays(info: VideoInfo) -> bool:
    """Whether browsers play a file as it is, and without trouble."""
    return (
        info.codec in _PLAYED
        and info.chroma == "420"
        and info.bit_depth == 8
        and info.container.startswith(_CONTAINERS)
        and info.path.suffix.lower() in (".mp4", ".m4v", ".mov", ".webm")
        and min(info.width, info.height) <= 1440
    )


def shrunk(
    source: Path,
    output: Path,
    short_side: int,
    part: tuple[Fraction | None, Fraction | None] = (None, None),
    progress: Progress | None = None,
) -> None:
    """Write a video again, at most so large, as browsers play it: H.264, or VP9 for .webm; sound as it is.

    Args:
        short_side: in pixels; smaller videos keep their size.
        part: start and duration, as for `stylize`.

    Raises:
        InputError: it can't be read.
        OutputError: it can't be written.
    """
    start, duration = part
    with open_video(source, start=start, duration=duration) as reader:
        info = reader.info
        scale = min(1.0, short_side / min(info.width, info.height))
        width, height = (max(2, 2 * round(side * scale / 2)) for side in (info.width, info.height))
        plain = replace(
            info, width=width, height=height, bit_depth=8, chroma="420", alpha=False, names=(),
        )  # fmt: skip
        wanted = WriterSettings(crf=20, preset="veryfast", overwrite=True, pixel_format="yuv420p")
        with open_writer(output, plain, wanted, start=start, duration=duration) as writer:
            done = 0
            for clip in reader.clips(8):
                clip = tonemap(clip, info) if info.color.hdr else clip
                writer.write(_resized(clip, width, height))
                done += len(clip)
                if progress is not None:
                    progress(done, reader.frames)


def _resized(clip: Clip, width: int, height: int) -> Clip:
    frames = []
    for frame in clip.pixels:
        rows = frame.permute(1, 2, 0).numpy()
        if rows.dtype.itemsize == 2:
            rows = (rows >> 8).astype("uint8")
        small = cv2.resize(rows, (width, height), interpolation=cv2.INTER_AREA)
        frames.append(torch.from_numpy(small).permute(2, 0, 1))
    return Clip(torch.stack(frames), clip.pts, clip.durations)


def _moving(values: Mapping[str, Any], meter: Meter) -> None:
    """A few seconds: the source, stylized with coherence, and without."""
    from scenivid.engine import stylize

    folder, choices = Path(values["folder"]), Choices.of(values["choices"])
    source = folder / "source.mp4"
    part = (exact(values["at"]), exact(values["seconds"]))
    shrunk(Path(values["source"]), source, MOVING_SHORT_SIDE, part)
    settings = replace(choices.settings(values["device"]), overwrite=True)
    tell = meter.begin("preview")
    total = [0, 0]
    for turn, (name, how) in enumerate(
        (("without", replace(settings, consistency=0.0)), ("with", settings)),
    ):

        def told(done: int, expected: int | None, turn: int = turn) -> None:
            total[turn] = done
            tell(sum(total), None if expected is None else 2 * expected)

        stylize(source, folder / f"{name}.mp4", how, told)
    meter.end()


def _views(values: Mapping[str, Any], meter: Meter) -> None:
    """What the page plays for a job's source and result: the files themselves where browsers can."""
    folder = Path(values["folder"])
    shown: dict[str, Any] = {}
    for name in ("source", "result"):
        path = Path(values[name])
        start = exact(values["start"]) if name == "source" else None
        duration = exact(values["duration"]) if name == "source" else None
        with open_video(path) as reader:
            info = reader.info
        if info.names and path.is_file():
            view = f"{name}.view.jpg"
            (folder / view).write_bytes(picture(path))
            shown[name] = {"file": view, "offset": 0.0}
            continue
        if plays(info):
            shown[name] = {"file": None, "offset": float(start or 0)}
            continue
        tell = meter.begin(name)
        view = f"{name}.view.mp4"
        shrunk(path, folder / view, VIEW_SHORT_SIDE, (start, duration), tell)
        meter.end()
        shown[name] = {"file": view, "offset": 0.0}
    _write(folder / "views.json", shown)


def _flicker(values: Mapping[str, Any], meter: Meter) -> None:
    """How much a job's result flickers, beside its source."""
    from scenivid.evaluation.flicker import FlickerSettings, evaluate_flicker

    settings = FlickerSettings(
        device=values["device"],
        start=exact(values["start"]),
        duration=exact(values["duration"]),
        long_side=640,
        perceptual=False,
    )
    tell = meter.begin("flicker")
    report = evaluate_flicker(Path(values["source"]), Path(values["result"]), None, settings, tell)
    meter.end()
    rows = [
        {"key": row.key, "label": row.label, "better": row.better,
         "source": row.shown("source"), "output": row.shown("output", row.note)}
        for row in report.rows
        if row.values.get("output") is not None
    ]  # fmt: skip
    figures = {row.key: row.values.get("output") for row in report.rows}
    _write(
        Path(values["folder"]) / "flicker.json",
        {"frames": report.frames, "rows": rows, "figures": figures, "warnings": list(report.warnings)},
    )


def _write(path: Path, values: Mapping[str, Any]) -> None:
    with aside.whole(path) as part:
        part.write_text(json.dumps(values), encoding="utf-8")


_ERRANDS: Mapping[str, Callable[[Mapping[str, Any], Meter], None]] = {
    "moving": _moving,
    "views": _views,
    "flicker": _flicker,
}
