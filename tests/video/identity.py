"""Copy a source through reader and writer, and read packets back: shared by the writer's tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import torch

from scenivid.pixels import Clip, to_float, to_pixels
from scenivid.video.open import open_video
from scenivid.video.tonemap import tonemap
from scenivid.video.writing.writer import WriterSettings, open_writer


def copy(
    source: Path,
    output: Path,
    *,
    batch: int = 5,
    start: Fraction | None = None,
    duration: Fraction | None = None,
    codec: str | None = None,
    crf: float | None = None,
    overwrite: bool = False,
    device: str = "cpu",
    pixel_format: str | None = None,
) -> list[str]:
    """Write `source` to `output` unchanged, as the engine does; returns the writer's notes."""
    with open_video(source, "pyav", start, duration) as reader:
        info = reader.info
        settings = WriterSettings(codec, crf, overwrite, device, pixel_format=pixel_format)
        with open_writer(output, info, settings, start=start, duration=duration) as writer:
            for clip in reader.clips(batch):
                shown = tonemap(clip, info) if info.color.hdr else clip
                if shown.pixels.dtype != writer.dtype:
                    pixels = to_pixels(to_float(shown.pixels), writer.dtype)
                    shown = Clip(pixels, shown.pts, shown.durations)
                writer.write(shown)
    return writer.notes


def read(path: Path) -> Clip:
    """All frames of a short video."""
    with open_video(path, "pyav") as reader:
        (clip,) = reader.clips(1000)
    return clip


def difference(one: Clip, other: Clip) -> float:
    """Mean absolute difference of the pixels, in 1/255."""
    a, b = (to_float(clip.pixels) for clip in (one, other))
    return float((a - b).abs().mean()) * 255


def packets(path: Path, kind: str) -> list[list[tuple[bytes, Fraction, Fraction]]]:
    """For each 'audio' or 'subtitle' track: data, pts and duration (seconds) of its packets."""
    with av.open(str(path)) as container:
        wanted = [stream.index for stream in container.streams if stream.type == kind]
        found: dict[int, list[tuple[bytes, Fraction, Fraction]]] = {index: [] for index in wanted}
        for packet in container.demux():
            if packet.size and packet.stream.index in found:
                unit = packet.time_base
                found[packet.stream.index].append(
                    (bytes(packet), packet.pts * unit, (packet.duration or 0) * unit)
                )
    return list(found.values())


def smooth(
    frames: int = 6, height: int = 72, width: int = 96, dtype: torch.dtype = torch.uint8
) -> torch.Tensor:
    """A moving picture with gradients and soft edges, as films have, [T, 3, H, W]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    shots = []
    for index in range(frames):
        move = index / 40
        disc = torch.sigmoid(40 * (0.25 - ((x - 0.4 - move) ** 2 + (y - 0.5) ** 2).sqrt()))
        wave = 0.5 + 0.2 * torch.sin(6 * (x + move)) * torch.cos(5 * y)
        shots.append(torch.stack([0.2 + 0.5 * disc + 0.2 * wave, wave, 0.75 - 0.4 * disc * y - 0.2 * x]))
    return to_pixels(torch.stack(shots), dtype)
