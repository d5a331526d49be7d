"""Run a suite: stylize every clip with every style and flow, measure, and keep the crops to look at."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from flickering import Flickering, fixed_translator, flickering
from suite import ClipSpec, Look, StyleSpec, Suite
from synthetic import Scene
from torch import Tensor

from scenivid.devices import resolve_device
from scenivid.engine import Report, StylizeSettings, stylize
from scenivid.errors import DataError, ScenividError
from scenivid.evaluation.fidelity import fine_energy, psnr
from scenivid.evaluation.flicker import FlickerSettings, evaluate_flicker
from scenivid.evaluation.lockstep import Window, open_together
from scenivid.evaluation.results import FlickerReport
from scenivid.pixels import to_float, to_pixels
from scenivid.styles.stylizer import Stylizer
from scenivid.styles.zoo import load_style
from scenivid.temporal import DEFAULT_CONSISTENCY
from scenivid.video.reading.pictures.images import read_image

_log = logging.getLogger(__name__)
FIXED_TRANSLATOR = "fixed-translator"
BLEND = "blend"
"""The baseline's name where a flow's would stand."""
_COLUMN = 240
"""Pixels that each column of a crop is at least wide; small crops are enlarged by whole pixels."""
_TRAIL = 6
"""Frames after which an uncovered place no longer counts as new."""


@dataclass(frozen=True)
class Clean:
    """An output against what the network paints without noise, frame by frame."""

    psnr_db: float
    energy: float
    """Root of the ratio of high-frequency energies."""
    per_frame_psnr_db: float
    """The noisy per-frame result's."""


@dataclass(frozen=True)
class Outcome:
    """One clip in one style with one flow."""

    clip: str
    style: str
    flow: str
    """Estimator of the coherence, or 'blend' for the baseline."""
    report: FlickerReport
    ghost: float | None
    """|output − per-frame| where something was uncovered within six frames, over that elsewhere; rendered
    clips with a disc only. At most 1: no trail."""
    clean: Clean | None
    """Against the same network without noise; styles with noise only."""
    run: Report | None
    """What stylizing took; None for the baseline."""
    goal: float
    """Of the style, see `StyleSpec.goal`."""


@dataclass(frozen=True, eq=False)
class Crop:
    """Source, per-frame result and outputs at one place and time."""

    clip: str
    style: str
    frame: int
    columns: tuple[str, ...]
    picture: Tensor
    """uint8 RGB [H, W, 3], the columns side by side."""


@dataclass(frozen=True)
class SuiteResult:
    """Everything a suite measured."""

    suite: Suite
    consistency: float
    outcomes: tuple[Outcome, ...]
    crops: tuple[Crop, ...]
    left_out: tuple[str, ...]
    """Sentences about clips and styles that could not be run."""


@dataclass(frozen=True, eq=False)
class _Prepared:
    folder: Path
    scene: Scene | None
    look: Look | None


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
                prepared = _prepare(clip, spec, suite, data, Path(work))
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
    prepared: _Prepared,
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
            _ghost(prepared.scene, output, per_frame),
            None if clean is None else _against(clean, output, per_frame),
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
        crop = _crop(clip.name, spec.name, prepared.look, shown)
    return outcomes, crop


def _settings(spec: StyleSpec, consistency: float, flow: str, device: str) -> StylizeSettings:
    return StylizeSettings(
        style=spec.style or spec.name, consistency=consistency, flow=flow, device=device, overwrite=True
    )


def _prepare(clip: ClipSpec, spec: StyleSpec, suite: Suite, data: Path, work: Path) -> _Prepared:
    """The source as a folder of lossless frames of the wanted number and size."""
    count = spec.frames or clip.frames or suite.frames
    side = spec.long_side or suite.long_side
    folder, scene, look = work / "source", None, clip.look
    if clip.photo:
        picture = to_float(torch.from_numpy(read_image(data / clip.photo))).permute(2, 0, 1)[None]
        assert clip.camera is not None
        size = (side * 9 // 16 // 2 * 2, side)
        scene = Scene(_covering(picture, size), size, count, clip.camera, clip.walker, noise=clip.noise)
        _save(folder, (scene.frame(t) for t in range(count)))
        look = look or _behind(scene)
    else:
        window = Window(start=Fraction(clip.start), max_frames=count, long_side=side)
        with open_together([data / clip.path], window) as together:
            _save(folder, (moment.frames for moment in together))
    return _Prepared(folder, scene, look)


def _covering(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink a large photograph to half as much again as the frame, so that it isn't sampled sparsely."""
    scale = max(1.5 * size[0] / picture.shape[2], 1.5 * size[1] / picture.shape[3])
    if scale >= 1:
        return picture
    target = (round(picture.shape[2] * scale), round(picture.shape[3] * scale))
    return F.interpolate(picture, target, mode="bilinear", antialias=True)


def _behind(scene: Scene) -> Look | None:
    """Just behind the disc, two thirds into the clip."""
    if scene.walker is None:
        return None
    t, (height, width) = 2 * scene.frames // 3, scene.size
    x, y = scene.walker.at(t)[:, 2].tolist()
    vx, vy = scene.walker.pan
    speed = max(1e-6, (vx * vx + vy * vy) ** 0.5)
    reach = scene.radius * height
    left = (x - reach * vx / speed) / width + 0.5 - 0.125
    top = (y - reach * vy / speed) / height + 0.5 - 0.175
    return Look(t, min(0.75, max(0.0, left)), min(0.65, max(0.0, top)))


def _blended(per_frame: Path, folder: Path, share: float) -> Path:
    """out(t) = share·out(t−1) + (1−share)·per-frame(t): steadies by blurring whatever moves."""

    def frames() -> Iterator[Tensor]:
        last: Tensor | None = None
        with open_together([per_frame], Window()) as together:
            for moment in together:
                last = moment.frames if last is None else torch.lerp(moment.frames, last, share)
                yield last

    _save(folder, frames())
    return folder


def _ghost(scene: Scene | None, output: Path, per_frame: Path) -> float | None:
    if scene is None or scene.walker is None:
        return None
    sums = torch.zeros(2, 2, dtype=torch.float64)
    with open_together([per_frame, output], Window()) as together:
        for moment in together:
            t = moment.index
            if t < _TRAIL:
                continue
            new = torch.stack([scene.hidden(t, t - k) for k in range(1, _TRAIL + 1)]).any(dim=0)[0, 0]
            off = (moment.frames[1] - moment.frames[0]).abs().mean(dim=0)
            for row, mask in enumerate((new, ~new)):
                sums[row] += torch.tensor([float(off[mask].sum()), float(mask.sum())])
    (new_sum, new_count), (rest_sum, rest_count) = sums.tolist()
    if not new_count or not rest_sum:
        return None
    return float((new_sum / new_count) / (rest_sum / rest_count))


def _against(clean: Path, output: Path, per_frame: Path) -> Clean:
    """Means over all but the first `_TRAIL` frames, which have no past to be steadied by."""
    sums = torch.zeros(3, dtype=torch.float64)
    count = 0
    with open_together([clean, output, per_frame], Window()) as together:
        for moment in together:
            if moment.index < _TRAIL:
                continue
            frames, count = moment.frames, count + 1
            near = psnr(frames[1:], frames[:1].expand(2, -1, -1, -1))
            energy = fine_energy(frames[:2])
            sums += torch.stack([near[0], near[1], (energy[1] / energy[0].clamp(min=1e-9)).sqrt()]).double()
    mean = (sums / max(1, count)).tolist()
    return Clean(psnr_db=mean[0], energy=mean[2], per_frame_psnr_db=mean[1])


def _crop(clip: str, style: str, look: Look, videos: dict[str, Path]) -> Crop | None:
    with open_together(list(videos.values()), Window(max_frames=look.frame + 1)) as together:
        frames = next((moment.frames for moment in together if moment.index == look.frame), None)
    if frames is None:
        return None
    height, width = frames.shape[-2:]
    top, left = int(look.top * height), int(look.left * width)
    part = frames[..., top : top + int(look.height * height), left : left + int(look.width * width)]
    enlarged = -(-_COLUMN // part.shape[-1])
    part = part.repeat_interleave(enlarged, dim=2).repeat_interleave(enlarged, dim=3)
    picture = to_pixels(torch.cat(list(part), dim=2)).permute(1, 2, 0)
    return Crop(clip, style, look.frame, tuple(videos), picture)


def _save(folder: Path, frames: Iterator[Tensor]) -> None:
    """Lossless 8-bit frames, each [1, 3, H, W]."""
    from PIL import Image

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        pixels = to_pixels(frame)[0].permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(folder / f"{index:05d}.png", compress_level=1)
