"""The streaming loop: decode → translate → flow → steady → encode, a few frames at a time.

Memory doesn't grow with the length of the video, and neither batch size nor tiling shows in the
result. An error anywhere closes every thread and leaves no half-written file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from scenivid.cuts import CutDetector
from scenivid.devices import resolve_device
from scenivid.errors import ConfigError
from scenivid.flow.consistency import estimate_motion
from scenivid.flow.estimators import FlowEstimator, open_estimator
from scenivid.frames import Clip, to_float, to_pixels
from scenivid.ink import inked
from scenivid.stages import Encoding, Stopwatch, uploaded
from scenivid.styles.onnx_style import OnnxOptions
from scenivid.styles.stylizer import StyleState, Stylizer, blend_for
from scenivid.styles.tiling import auto_tile
from scenivid.styles.zoo import load_style
from scenivid.temporal import DEFAULT_CONSISTENCY, Memory, steady
from scenivid.video.info import VideoInfo
from scenivid.video.open import open_video
from scenivid.video.reading.settings import MAX_PIXELS, ReadSettings
from scenivid.video.tonemap import tonemap
from scenivid.video.writing.writer import WriterSettings, open_writer

_BATCH_PIXELS = 2**21
"""Pixels translated at once on the CPU with `batch='auto'`: more gains nothing and costs memory."""


@dataclass(frozen=True)
class StylizeSettings:
    """Everything that decides the output, besides the input."""

    style: str = "aozora"
    """Name of a style, a .safetensors or .onnx file, or 'none' for the identity."""
    strength: float = 1.0
    """0 = source, 1 = full style. A style with a dial paints with smaller brushes and gentler colour, down to
    0.25; below that, and for other styles, frames are blended in the encoded (perceptually even) RGB."""
    ink: float | None = None
    """Darkness of the lines of styles that draw them, 0..1; None = the style's own."""
    consistency: float = DEFAULT_CONSISTENCY
    """0 = each frame alone, 1 = steadiest."""
    flow: str = "auto"
    flow_weights: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    batch: int | Literal["auto"] = "auto"
    """Frames translated at once."""
    tile: int | Literal["auto", "none"] = "auto"
    """Side of a tile in pixels."""
    codec: str | None = None
    crf: float | None = None
    pixel_format: str | None = None
    """What is stored, by FFmpeg's name; None for what players can show."""
    start: Fraction | None = None
    """Seconds after the first frame."""
    duration: Fraction | None = None
    """Seconds."""
    decoder: str = "auto"
    max_pixels: int = MAX_PIXELS
    """Largest picture that is read, width x height."""
    deinterlace: str = "auto"
    """'auto' or 'off'."""
    on_error: str = "stop"
    """What a damaged frame does: 'stop', or 'skip' or 'keep' to go on with a note."""
    strict: bool = False
    """Damage that could be passed over or patched is an error too."""
    fps: Fraction | None = None
    """Frames a second of a folder of frames; None for 24."""
    overwrite: bool = False
    onnx: OnnxOptions = field(default_factory=OnnxOptions)

    def __post_init__(self) -> None:
        for name in ("strength", "consistency"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if self.ink is not None and not 0 <= self.ink <= 1:
            raise ConfigError(f"ink must lie between 0 and 1, got {self.ink}")
        if isinstance(self.batch, int) and self.batch < 1:
            raise ConfigError(f"batch must be at least 1, got {self.batch}")
        if self.duration is not None and self.duration <= 0:
            raise ConfigError("duration must be more than 0 seconds")
        _ = self.reading

    @property
    def reading(self) -> ReadSettings:
        """Those that say how the source is read.

        Raises:
            ConfigError: one is out of range.
        """
        return ReadSettings(self.max_pixels, self.deinterlace, self.on_error, self.strict, self.fps)


@dataclass(frozen=True)
class Report:
    """What was done."""

    frames: int
    seconds: float
    """Wall time."""
    fps: float
    output: Path
    stages: dict[str, float]
    """Seconds by stage; stages overlap. `decode` is the time the loop waited for frames."""
    settings: dict[str, Any]
    """As resolved: device, precision, flow, batch, decoder, encoder, …"""
    notes: tuple[str, ...]
    """What could not be kept, in sentences."""
    frames_expected: int = 0
    """Frames that the source should have given: those that came and those lost."""
    frames_lost: int = 0
    """Frames that damage took, as far as the source tells."""

    def as_json(self) -> dict[str, Any]:
        """Plain values; the keys of the CLI contract."""
        return asdict(self) | {"output": str(self.output), "notes": list(self.notes)}


Progress = Callable[[int, int | None], None]
"""Called with frames done and frames expected (None where the container doesn't say)."""


def stylize(
    source: Path,
    output: Path,
    settings: StylizeSettings,
    progress: Progress | None = None,
    stylizer: Stylizer | None = None,
) -> Report:
    """Stylize a video file or a folder of frames into a video file or a folder of frames.

    Args:
        stylizer: used in place of `settings.style`.

    Raises:
        InputError: the source can't be read.
        OutputError: the output can't be written; what stood there before is untouched.
        CheckpointError: the style or the flow weights can't be loaded.
        ConfigError: settings that don't go together.
    """
    began = time.perf_counter()
    device = resolve_device(settings.device)
    watch = Stopwatch(device)
    with open_video(source, settings.decoder, settings.start, settings.duration, settings.reading) as reader:
        info = reader.info
        batch = _batch(settings.batch, info, device)
        wanted = WriterSettings(
            settings.codec,
            settings.crf,
            settings.overwrite,
            str(device),
            pixel_format=settings.pixel_format,
        )
        frames, expected = 0, expected_frames(info, settings.start, settings.duration)
        with open_writer(output, info, wanted, start=settings.start, duration=settings.duration) as writer:
            chain = _Chain.build(settings, device, stylizer, (info.height, info.width, batch))
            with Encoding(writer, watch) as encoding:
                clips = reader.clips(batch)
                if info.color.hdr:
                    clips = (tonemap(clip, info) for clip in clips)
                for clip, pixels in uploaded(_timed(clips, watch), device):
                    encoding.put(chain.run(clip, pixels, writer.dtype, watch), clip)
                    frames += len(clip)
                    if progress is not None:
                        progress(frames, expected)
        notes, encoder = (*reader.notes, *writer.notes), writer.encoder
        lost = reader.frames_lost
    seconds = time.perf_counter() - began
    resolved = {
        **{name: _plain(value) for name, value in vars(settings).items()},
        "device": str(device),
        "flow": chain.estimator.name if chain.estimator else "none",
        "batch": batch,
        "tile": chain.tile or "none",
        "decoder": reader.decoder,
        "encoder": encoder,
    }
    return Report(
        frames,
        seconds,
        frames / max(seconds, 1e-9),
        output,
        watch.seconds(),
        resolved,
        notes,
        frames_expected=frames + lost,
        frames_lost=lost,
    )


def expected_frames(info: VideoInfo, start: Fraction | None, duration: Fraction | None) -> int | None:
    """Frames that a run will see, as far as the container tells."""
    if info.frames is None:
        return None
    if start is None and duration is None:
        return info.frames
    left = info.frames - round((start or 0) * info.rate_hz)
    return max(0, left if duration is None else min(left, round(duration * info.rate_hz)))


class _Chain:
    """The stages between decoding and encoding, with what they remember from clip to clip."""

    def __init__(
        self,
        settings: StylizeSettings,
        stylizer: Stylizer | None,
        estimator: FlowEstimator | None,
        tile: int | None,
    ) -> None:
        self.settings, self.stylizer, self.estimator, self.tile = settings, stylizer, estimator, tile
        self._cuts = CutDetector()
        self._state: StyleState | None = None
        self._memory: Memory | None = None
        self._last: Tensor | None = None

    @classmethod
    def build(
        cls,
        settings: StylizeSettings,
        device: torch.device,
        stylizer: Stylizer | None,
        size: tuple[int, int, int],
    ) -> _Chain:
        """Load what the settings ask for; nothing is loaded that the result would not show.

        Args:
            size: height and width in pixels, and the batch.
        """
        if stylizer is None and settings.style != "none":
            stylizer = load_style(
                settings.style, device, settings.precision, strength=settings.strength, onnx=settings.onnx
            )
        if settings.strength == 0:
            stylizer = None
        if stylizer is None:
            return cls(settings, None, None, None)
        needs_flow = settings.consistency > 0
        estimator = open_estimator(settings.flow, device, settings.flow_weights) if needs_flow else None
        tile = (
            auto_tile(*size, stylizer.bytes_per_pixel, device) if settings.tile == "auto" else settings.tile
        )
        return cls(settings, stylizer, estimator, None if tile == "none" else tile)

    @torch.inference_mode()
    def run(self, clip: Clip, pixels: Tensor, dtype: torch.dtype, watch: Stopwatch) -> Tensor:
        """Finished pixels of one clip, [T, 3, H, W] of `dtype`, on the device."""
        if self.stylizer is None:
            return pixels if pixels.dtype == dtype else to_pixels(to_float(pixels), dtype)
        with watch.stage("translate", on_device=True):
            source = to_float(pixels)
            cuts = self._cuts.cuts(clip)
            styled, self._state = self.stylizer.translate(source, cuts, self._state, self.tile)
            styled = inked(styled, self.stylizer.ink if self.settings.ink is None else self.settings.ink)
        if self.settings.consistency > 0:
            styled = self._steadied(source, styled, cuts, watch)
        with watch.stage("steady", on_device=True):
            blend = blend_for(self.stylizer, self.settings.strength)
            if blend < 1:
                styled = torch.lerp(source, styled.float(), blend)
            return to_pixels(styled, dtype)

    def _steadied(self, source: Tensor, styled: Tensor, cuts: list[bool], watch: Stopwatch) -> Tensor:
        previous = torch.cat([source[:1] if self._last is None else self._last, source[:-1]])
        self._last = source[-1:]
        with watch.stage("flow", on_device=True):
            motion = estimate_motion(self.estimator, source, previous)
        with watch.stage("steady", on_device=True):
            frames = []
            for i, cut in enumerate(cuts):
                memory = None if cut else self._memory
                frame, self._memory = steady(
                    source[i : i + 1], styled[i : i + 1], memory, motion.at(i), self.settings.consistency
                )
                frames.append(frame)
            return torch.cat(frames)


def _timed(clips: Iterator[Clip], watch: Stopwatch) -> Iterator[Clip]:
    while True:
        with watch.stage("decode"):
            clip = next(clips, None)
        if clip is None:
            return
        yield clip


def _batch(wanted: int | Literal["auto"], info: VideoInfo, device: torch.device) -> int:
    if wanted != "auto":
        return wanted
    share = _BATCH_PIXELS if device.type == "cpu" else _BATCH_PIXELS * 8
    return max(1, min(8 if device.type == "cpu" else 32, share // max(1, info.width * info.height)))


def _plain(value: object) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    return vars(value) if isinstance(value, OnnxOptions) else value
