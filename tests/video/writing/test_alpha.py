"""Transparency comes out as it went in where the output can hold it; elsewhere the picture lies on black."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from identity import smooth

from scenivid.pixels import Clip
from scenivid.video.info import ColorInfo, VideoInfo
from scenivid.video.writing.writer import WriterSettings, open_writer

COUNT, HEIGHT, WIDTH = 4, 48, 64


def _info(folder: Path, **changes: Any) -> VideoInfo:
    info = VideoInfo(
        path=folder / "nothing",
        width=WIDTH,
        height=HEIGHT,
        rotation=0,
        sample_aspect=Fraction(1),
        rate_hz=Fraction(25),
        frames=COUNT,
        duration=None,
        start=Fraction(0),
        time_base=Fraction(1, 25),
        bit_depth=8,
        chroma="rgb",
        codec="png",
        container="frames",
        stream_index=0,
        color=ColorInfo("gbr", True, "bt709", "iec61966-2-1", True),
        audio=(),
        subtitles=0,
        alpha=True,
    )
    return replace(info, **changes)


def _clip(count: int = COUNT, dtype: torch.dtype = torch.uint8) -> Clip:
    """A moving picture in a soft disc; black where nothing is to be seen."""
    pixels = smooth(count, HEIGHT, WIDTH, dtype)
    y, x = torch.meshgrid(torch.linspace(-1, 1, HEIGHT), torch.linspace(-1, 1, WIDTH), indexing="ij")
    disc = (1.3 - 1.5 * (x * x + y * y).sqrt()).clamp(0, 1)
    alpha = (disc * torch.iinfo(dtype).max).round().to(torch.int32).expand(count, 1, HEIGHT, WIDTH)
    pixels = torch.where(alpha == 0, 0, pixels.to(torch.int32)).to(dtype)
    return Clip(pixels, tuple(Fraction(n, 25) for n in range(count)), None, alpha.to(dtype))


def _written(clip: Clip, output: Path, info: VideoInfo, codec: str | None = None) -> list[str]:
    with open_writer(output, info, WriterSettings(codec)) as writer:
        assert writer.dtype is clip.pixels.dtype
        writer.write(clip)
    return writer.notes


def _decoded(path: Path, name: str) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Frames [H, W, 4]; VP9's own decoder of FFmpeg knows nothing of transparency, libvpx's does."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.codec_context.name == "vp9":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            packets = [*container.demux(stream)]
            frames = [frame for packet in packets for frame in decoder.decode(packet)]
        else:
            frames = list(container.decode(stream))
        return [frame.to_ndarray(format=name) for frame in frames]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_a_folder_of_pngs_keeps_transparency_exactly(tmp_path: Path, dtype: torch.dtype) -> None:
    clip = _clip(dtype=dtype)
    info = _info(tmp_path, bit_depth=8 if dtype is torch.uint8 else 16)
    assert _written(clip, tmp_path / "out", info) == []
    for index, path in enumerate(sorted((tmp_path / "out").iterdir())):
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert (found[..., 2::-1] == clip.pixels[index].permute(1, 2, 0).numpy()).all()
        assert (found[..., 3] == clip.alpha[index, 0].numpy()).all()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_a_still_keeps_transparency(tmp_path: Path, suffix: str) -> None:
    clip = _clip(1)
    assert _written(clip, tmp_path / f"out{suffix}", _info(tmp_path, frames=1)) == []
    found = cv2.imread(str(tmp_path / f"out{suffix}"), cv2.IMREAD_UNCHANGED)
    assert (found[..., 3] == clip.alpha[0, 0].numpy()).all()
    seen = found[..., 3] > 0
    wrong = np.abs(found[..., 2::-1].astype(int) - clip.pixels[0].permute(1, 2, 0).numpy())[seen]
    assert wrong.mean() <= (0 if suffix != ".webp" else 3)


@pytest.mark.parametrize(
    ("codec", "name", "dtype"),
    [
        ("ffv1", "a.mkv", torch.uint8),
        ("ffv1", "a.mkv", torch.uint16),
        ("prores", "a.mov", torch.uint8),
        ("prores", "a.mov", torch.uint16),
        ("prores", "a.mkv", torch.uint8),
        ("vp9", "a.webm", torch.uint8),
        (None, "a.webm", torch.uint8),
        (None, "a.apng", torch.uint8),
        (None, "a.apng", torch.uint16),
    ],
)
def test_a_codec_with_transparency_keeps_it(
    tmp_path: Path, codec: str | None, name: str, dtype: torch.dtype
) -> None:
    clip = _clip(dtype=dtype)
    info = _info(tmp_path, bit_depth=8 if dtype is torch.uint8 else 16)
    notes = _written(clip, tmp_path / name, info, codec)
    assert not any("transparency" in note for note in notes)
    deep = dtype is torch.uint16
    frames = _decoded(tmp_path / name, "rgba64le" if deep else "rgba")
    assert len(frames) == COUNT
    top = 65535 if deep else 255
    for index, frame in enumerate(frames):
        alpha = clip.alpha[index, 0].numpy().astype(float) / top
        found = frame[..., 3].astype(float) / top
        exact = codec == "ffv1" or name == "a.apng"
        assert np.abs(found - alpha).max() <= (0 if exact else 0.03)
        wrong = np.abs(frame[..., :3] / top - clip.pixels[index].permute(1, 2, 0).numpy() / top)
        assert (wrong * alpha[..., None]).mean() <= (0 if exact else 0.02)


@pytest.mark.parametrize(("codec", "name"), [("h264", "a.mp4"), ("hevc", "a.mkv"), ("av1", "a.webm")])
def test_elsewhere_the_picture_lies_on_black_with_a_note(tmp_path: Path, codec: str, name: str) -> None:
    clip = _clip()
    notes = _written(clip, tmp_path / name, _info(tmp_path), codec)
    assert any("can't hold transparency: it was laid on black" in note for note in notes)
    wanted = clip.pixels[0].permute(1, 2, 0).numpy() * (clip.alpha[0].permute(1, 2, 0).numpy() / 255)
    found = _decoded(tmp_path / name, "rgb24")[0]
    assert np.abs(found - wanted).mean() <= 4


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_a_still_without_transparency_lies_on_black_with_a_note(tmp_path: Path, suffix: str) -> None:
    clip = _clip(1)
    notes = _written(clip, tmp_path / f"out{suffix}", _info(tmp_path, frames=1))
    assert any("can't hold transparency" in note for note in notes)
    found = cv2.imread(str(tmp_path / f"out{suffix}"))
    assert (found[0, 0] <= 4).all() and found[HEIGHT // 2, WIDTH // 2].max() > 60


def test_an_opaque_clip_of_a_transparent_source_stays_opaque(tmp_path: Path) -> None:
    clip = replace(_clip(), alpha=None)
    _written(clip, tmp_path / "a.mkv", _info(tmp_path), "ffv1")
    assert (_decoded(tmp_path / "a.mkv", "rgba")[0][..., 3] == 255).all()


def test_a_gif_is_transparent_or_opaque_and_says_so(tmp_path: Path) -> None:
    clip = _clip()
    notes = _written(clip, tmp_path / "a.gif", _info(tmp_path))
    assert any("only transparent and opaque" in note for note in notes)
    frames = _decoded(tmp_path / "a.gif", "rgba")
    assert len(frames) == COUNT
    for frame, alpha in zip(frames, clip.alpha, strict=True):
        assert set(np.unique(frame[..., 3])) == {0, 255}
        assert ((frame[..., 3] > 0) == (alpha[0].numpy() >= 128)).mean() > 0.98


def test_an_apng_keeps_uneven_times_and_plays_for_ever(tmp_path: Path) -> None:
    times = tuple(Fraction(n, 1000) for n in (0, 40, 90, 340))
    _written(replace(_clip(), pts=times), tmp_path / "a.apng", _info(tmp_path, time_base=Fraction(1, 1000)))
    with av.open(str(tmp_path / "a.apng")) as container:
        found = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size]
    assert tuple(found) == times
    data = (tmp_path / "a.apng").read_bytes()
    at = data.index(b"acTL")
    assert (data[at + 4 : at + 8], data[at + 8 : at + 12]) == ((4).to_bytes(4, "big"), bytes(4))
