"""Run a suite: stylize every clip with every style and flow, measure, and keep the crops to look at."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from scenivid.engine import Report, StylizeSettings, stylize
from scenivid.errors import DataError, ScenividError
from scenivid.evaluation.flicker import FlickerSettings, evaluate_flicker
from scenivid.evaluation.lockstep import Window, open_together
from scenivid.machine.devices import resolve_device
from scenivid.styles.stylizer import Stylizer
from scenivid.styles.zoo import load_style
from scenivid.temporal import DEFAULT_CONSISTENCY
from suite.clips import Prepared, prepare, save_frames
from suite.crops import Crop, crop_of
from suite.flickering import Flickering, fixed_translator, flickering
from suite.measures import against, ghost
from suite.results import BLEND, Outcome, SuiteResult
from suite.spec import ClipSpec, StyleSpec, Suite

_log = logging.getLogger(__name__)
FIXED_TRANSLATOR = "fixed-translator"


def run_suite(
    suite: Suite, data: Path, device: str = "auto", tell: Callable[[str], None] | None = None
) -> SuiteResult:
    """Stylize and measure all combinations, one after the other; work files are deleted on the way.

    A clip that isn't in `data` and a style or flow whose weights can't be had are left out and named.

    Args:
        data: folder that the suite's paths are relative to.
        tell: gets a line about each step.

    Raises:
        DataError: nothing could be run.
    """
    place, tell = resolve_device(device), tell or _log.info
    dial = DEFAULT_CONSISTENCY if suite.consistency is None else suite.consistency
    outcomes: list[Outcome] = []
    crops: list[Crop] = []
    left_out: list[str] = []
    styles = list(_styles(suite, place, left_out))
    for clip in suite.clips:
        if not (data / (clip.path or clip.photo)).exists():
            left_out.append(f"clip {clip.name}: {clip.path or clip.photo} is not in the data folder")
            continue
        for spec, stylizer in styles:
            with tempfile.TemporaryDirectory(prefix="scenivid-suite-") as work:
                tell(f"{clip.name} · {spec.name}")
                prepared = prepare(clip, spec, suite, data, Path(work))
                done, crop = _measure(suite, clip, spec, stylizer, prepared, dial, device, left_out)
                outcomes += done
                crops += [crop] if crop else []
    if not outcomes:
        raise DataError(f"suite {suite.name}: nothing could be run. {'; '.join(left_out)}")
    return SuiteResult(suite, dial, tuple(outcomes), tuple(crops), tuple(dict.fromkeys(left_out)))


def _styles(suite: Suite, device: torch.device, left_out: list[str]) -> Iterator[tuple[StyleSpec, Stylizer]]:
    for spec in suite.styles:
        try:
            yield spec, _style(spec, device)
        except ScenividError as error:
            left_out.append(f"style {spec.name}: {_reason(error)}")


def _style(spec: StyleSpec, device: torch.device) -> Stylizer:
    name = spec.style or spec.name
    stylizer = fixed_translator(device) if name == FIXED_TRANSLATOR else load_style(name, device)
    return flickering(stylizer, spec.flicker) if spec.flicker else stylizer


def _reason(error: ScenividError) -> str:
    """The first clause: what follows is advice about folders of this machine."""
    return str(error).split(";")[0]


def _measure(
    suite: Suite,
    clip: ClipSpec,
    spec: StyleSpec,
    stylizer: Stylizer,
    prepared: Prepared,
    dial: float,
    device: str,
    left_out: list[str],
) -> tuple[list[Outcome], Crop | None]:
    source, work = prepared.folder, prepared.folder.parent
    per_frame = work / "per-frame"
    stylize(source, per_frame, _settings(spec, 0.0, "none", device), stylizer=stylizer)
    clean = None
    if isinstance(stylizer, Flickering):
        clean = work / "noise-free"
        stylize(source, clean, _settings(spec, 0.0, "none", device), stylizer=stylizer.inner)
    results: list[tuple[str, Path, Report | None]] = []
    if suite.blend:
        results.append((BLEND, _blended(per_frame, work / BLEND, suite.blend), None))
    for flow in spec.flows or suite.flows:
        try:
            run = stylize(source, work / flow, _settings(spec, dial, flow, device), stylizer=stylizer)
        except ScenividError as error:
            left_out.append(f"flow {flow}: {_reason(error)}")
            continue
        results.append((flow, work / flow, run))
    settings = FlickerSettings(flow=suite.measure, device=device, perceptual=False)
    exact = prepared.scene.flow if prepared.scene else None
    outcomes = [
        Outcome(
            clip.name,
            spec.name,
            flow,
            evaluate_flicker(source, output, per_frame, settings, exact=exact),
            ghost(prepared.scene, output, per_frame),
            None if clean is None else against(clean, output, per_frame),
            run,
            spec.goal,
        )
        for flow, output, run in results
    ]
    crop = None
    if prepared.look is not None:
        shown = {"source": source, "per-frame": per_frame} | {
            flow: output for flow, output, _ in results if flow != BLEND
        }
        crop = crop_of(clip.name, spec.name, prepared.look, shown)
    return outcomes, crop


def _settings(spec: StyleSpec, consistency: float, flow: str, device: str) -> StylizeSettings:
    return StylizeSettings(
        style=spec.style or spec.name, consistency=consistency, flow=flow, device=device, overwrite=True
    )


def _blended(per_frame: Path, folder: Path, share: float) -> Path:
    """out(t) = share·out(t−1) + (1−share)·per-frame(t): steadies by blurring whatever moves."""

    def frames() -> Iterator[Tensor]:
        last: Tensor | None = None
        with open_together([per_frame], Window()) as together:
            for moment in together:
                last = moment.frames if last is None else torch.lerp(moment.frames, last, share)
                yield last

    save_frames(folder, frames())
    return folder
