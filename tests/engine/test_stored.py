"""Frames that stay as files store them, from decoding to encoding: the same pictures as through RGB."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from scenes import pan
from torch import Tensor

from scenivid import colour
from scenivid.engine import StylizeSettings, stylize
from scenivid.engine.chain import Chain
from scenivid.engine.lanes.plane_finish import with_layout
from scenivid.engine.stages import Stopwatch
from scenivid.ink import compose
from scenivid.nets.checkpoint import ModelCard
from scenivid.pixels import Clip, Layout, StoredClip
from scenivid.styles.finish_planes import put_plane
from scenivid.styles.ink_planes import ChromaInk, LumaInk, mean_tint
from scenivid.video.open import open_video

MATRICES = {"bt709": 1, "smpte170m": 6, "bt2020nc": 9}


def _video(path: Path, matrix: str, full_range: bool, tagged: bool = True) -> Path:
    """Six frames of a pan, H.264 without loss, 8 bits, 4:2:0."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        if tagged:
            context = stream.codec_context
            context.colorspace, context.color_range = MATRICES[matrix], 2 if full_range else 1
            context.color_primaries = context.color_trc = 1
        for index, picture in enumerate(_gentle(pan(6, 96, 160, 2))):
            frame = av.VideoFrame(160, 96, "yuv420p")
            luma, chroma = colour.to_planes(picture.contiguous().numpy(), colour.MATRICES[matrix])
            for plane, values, held in zip(frame.planes, (luma, *chroma), (0, 1, 1), strict=True):
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
                out = np.empty(values.shape, np.uint8)
                colour.to_bytes(values, colour.levels(full_range)[held], out)
                rows[:, : plane.width] = out
            frame.colorspace, frame.color_range = MATRICES[matrix], 2 if full_range else 1
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def _gentle(pictures: Tensor) -> Tensor:
    """Weak colours: where chroma lies within a pixel, which decoders see differently, hardly shows."""
    grey = pictures.mean(1, keepdim=True)
    return 0.5 + 0.7 * (torch.lerp(grey, pictures, 0.15) - 0.5)


def _rgb(clip: StoredClip) -> Tensor:
    light, tint = colour.levels(clip.layout.full_range)
    frames = []
    for luma, chroma in zip(clip.luma, clip.chroma, strict=True):
        tints = np.stack([colour.to_values(plane, tint) for plane in chroma])
        frames.append(
            colour.to_rgb(colour.to_values(luma, light), tints, colour.MATRICES[clip.layout.matrix])
        )
    return torch.from_numpy(np.stack(frames)).clamp(0, 1)


@pytest.mark.parametrize("matrix", list(MATRICES))
@pytest.mark.parametrize("full_range", [False, True])
def test_stored_frames_show_what_rgb_frames_show(tmp_path: Path, matrix: str, full_range: bool) -> None:
    path = _video(tmp_path / "in.mp4", matrix, full_range)
    with open_video(path) as reader:
        assert reader.stores
        plain, stored = list(reader.clips(4)), list(reader.stored_clips(4))
    assert [len(clip) for clip in stored] == [4, 2]
    assert [clip.pts for clip in stored] == [clip.pts for clip in plain]
    assert stored[0].layout == Layout(matrix, full_range)
    for one, other in zip(stored, plain, strict=True):
        assert (_rgb(one) * 255 - other.pixels.float()).abs().mean() < 0.8


def test_the_identity_keeps_stored_bytes(tmp_path: Path) -> None:
    path = _video(tmp_path / "in.mp4", "bt709", False)
    settings = StylizeSettings(style="none", crf=0, device="cpu")
    stylize(path, tmp_path / "out.mp4", settings)
    clips = []
    for name in ("in.mp4", "out.mp4"):
        with open_video(tmp_path / name) as reader:
            clips.append(next(iter(reader.stored_clips(6))))
    assert np.array_equal(clips[0].luma, clips[1].luma)
    assert np.array_equal(clips[0].chroma, clips[1].chroma)


def test_an_untagged_source_gets_the_matrix_that_the_result_says(tmp_path: Path) -> None:
    path = _video(tmp_path / "in.mp4", "smpte170m", False, tagged=False)
    settings = StylizeSettings(style="none", crf=0, device="cpu")
    stylize(path, tmp_path / "out.mp4", settings)
    pictures = []
    for name in ("in.mp4", "out.mp4"):
        with open_video(tmp_path / name) as reader:
            assert reader.info.color.matrix == ("smpte170m" if name == "in.mp4" else "bt709")
            pictures.append(next(iter(reader.clips(6))).pixels.float())
    assert (pictures[0] - pictures[1]).abs().mean() < 1.5


class _Tinting:
    """Contrast and colour, pixel by pixel, and a line if asked for."""

    card = ModelCard(name="tinting", architecture="lite")
    multiple, radius, bytes_per_pixel, strength, paint_size, ink = 1, 0, 1.0, 1.0, None, 0.6

    def __init__(self, lines: bool = False) -> None:
        self.lines = lines

    def translate(
        self, image: Tensor, cuts: list[bool], state: None, tile: int | None
    ) -> tuple[Tensor, None]:
        flat = image.pow(0.8) * image.new_tensor([0.95, 0.9, 0.7])[:, None, None] + 0.04
        if self.lines:
            flat = torch.cat([flat, (image[:, :1] < 0.4).float()], 1)
        return flat, None


@pytest.mark.parametrize("consistency", [0.0, 0.7])
@pytest.mark.parametrize("paint", ["full", 64])
@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("layout", [Layout("bt709", False), Layout("smpte170m", True)], ids=str)
def test_painting_stored_frames_is_painting_rgb(
    tmp_path: Path, consistency: float, paint: int | str, strength: float, layout: Layout
) -> None:
    path = _video(tmp_path / "in.mp4", "bt709", False)
    settings = StylizeSettings(consistency=consistency, paint=paint, strength=strength, device="cpu")
    with open_video(path) as reader:
        plain, stored = list(reader.clips(1)), list(reader.stored_clips(1))
    pictures = []
    for clips, held in ((plain, None), (stored, layout)):
        chain = Chain.build(
            settings, torch.device("cpu"), _Tinting(), (96, 160), torch.uint8, [], stored=held
        )
        with chain.running(chain.parts(clips), Stopwatch()) as parts:
            done = [part.source for part in parts]
        if held is None:
            pictures.append(torch.cat([clip.pixels.float() for clip in done if isinstance(clip, Clip)]))
        else:
            assert all(isinstance(clip, StoredClip) and clip.layout == layout for clip in done)
            pictures.append(torch.cat([_rgb(clip) * 255 for clip in done if isinstance(clip, StoredClip)]))
    assert (pictures[0] - pictures[1]).abs().mean() < 1.7  # edges of half-size chroma are crisp twice as far


def test_lines_on_stored_bytes_are_the_lines_of_the_formula() -> None:
    picture = _gentle(pan(1, 64, 96, 0)) * torch.tensor([0.9, 0.8, 0.7])[:, None, None]
    line = torch.zeros(1, 1, 64, 96)
    line[..., 20:40, :] = 0.8
    layout = Layout("bt709", False)
    wanted = compose(picture, line, 0.7)
    values, tints = colour.to_planes(picture[0].contiguous().numpy(), colour.MATRICES["bt709"])
    luma, chroma = np.empty((64, 96), np.uint8), np.empty((2, 32, 48), np.uint8)
    matrix = colour.MATRICES["bt709"]
    pen = LumaInk(line[0, 0].numpy(), (64, 96), 0.7, mean_tint(matrix), colour.LUMA.scale, half=True)
    put_plane(values, luma, colour.LUMA, pen)
    for plane, out, ink in zip(tints, chroma, ChromaInk.both(pen, matrix, colour.CHROMA.scale), strict=True):
        put_plane(plane, out, colour.CHROMA, ink)
    clip = StoredClip(luma[None], chroma[None], layout, (Fraction(0),))
    assert (_rgb(clip) - wanted)[..., 22:38, :].abs().max() < 5 / 255
    assert (_rgb(clip) - wanted)[..., 44:, :].abs().max() < 5 / 255


def test_another_layout_shows_the_same_picture() -> None:
    luma = (255 * _gentle(pan(1, 32, 48, 0))[:, 0]).to(torch.uint8).numpy()
    chroma = np.full((1, 2, 16, 24), 119, np.uint8)
    clip = StoredClip(luma, chroma, Layout("smpte170m", False), (Fraction(0),))
    other = with_layout(clip, Layout("bt709", True))
    assert other.layout == Layout("bt709", True)
    assert (_rgb(clip) - _rgb(other)).abs().mean() < 1.5 / 255
    assert with_layout(clip, clip.layout) is clip


def test_a_frame_that_is_kept_keeps_its_stored_bytes(tmp_path: Path) -> None:
    path = _video(tmp_path / "in.mp4", "bt709", False)

    class Failing(_Tinting):
        def translate(
            self, image: Tensor, cuts: list[bool], state: None, tile: int | None
        ) -> tuple[Tensor, None]:
            return image * float("nan"), None

    notes: list[str] = []
    settings = StylizeSettings(device="cpu", on_error="keep")
    with open_video(path) as reader:
        stored = list(reader.stored_clips(1))
    chain = Chain.build(
        settings, torch.device("cpu"), Failing(), (96, 160), torch.uint8, notes, stored=stored[0].layout
    )
    with chain.running(chain.parts(stored), Stopwatch()) as parts:
        for before, part in zip(stored, parts, strict=True):
            after = part.source
            assert isinstance(after, StoredClip) and np.array_equal(before.luma, after.luma)
    assert len(notes) == 6


def test_deep_and_odd_sources_are_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 65, 33, "yuv420p"
        frame = av.VideoFrame(65, 33, "yuv420p")
        frame.pts = 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with open_video(path) as reader:
        assert not reader.stores
    assert replace(StylizeSettings(), style="none").style == "none"
