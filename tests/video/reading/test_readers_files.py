"""What is known of a video file, and what is read from every kind."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import make_clips
import numpy as np
import numpy.typing as npt
import pytest
import torch
from make_clips import CORNERS, FRAMES, Made, index_of, level
from shelf import Shelf

from scenivid.video.container import open_container
from scenivid.video.open import open_video, probe


def first(path: Path, decoder: str = "auto") -> npt.NDArray[np.uint8]:
    """First frame, [3, H, W], as 8 bits."""
    with open_video(path, decoder) as reader:
        pixels = next(reader.clips(1)).pixels[0]
    return (pixels if pixels.dtype == torch.uint8 else (pixels.int() // 257).to(torch.uint8)).numpy()


def quadrants(image: npt.NDArray[np.uint8]) -> dict[str, str]:
    """Which colour each quadrant has."""
    _, height, width = image.shape
    known = {**CORNERS, "grey": (level(0),) * 3}
    found = {}
    for place, y, x in (("tl", 1, 1), ("tr", 1, 3), ("bl", 3, 1), ("br", 3, 3)):
        colour = image[:, height * y // 4, width * x // 4].astype(int)
        found[place] = min(known, key=lambda name: int(np.abs(colour - known[name]).sum()))
        assert np.abs(colour - known[found[place]]).max() <= 4
    return found


UPRIGHT = {"tl": "red", "tr": "green", "bl": "blue", "br": "grey"}


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("clockwise", "shown"),
    [
        (90, {"tl": "blue", "tr": "red", "bl": "grey", "br": "green"}),
        (180, {"tl": "grey", "tr": "blue", "bl": "green", "br": "red"}),
        (270, {"tl": "green", "tr": "grey", "bl": "red", "br": "blue"}),
    ],
)
def test_pictures_are_turned_upright(
    shelf: Shelf, decoder: str, suffix: str, clockwise: int, shown: dict[str, str]
) -> None:
    made = shelf.take(make_clips.rotated, suffix, clockwise=clockwise)
    assert quadrants(first(made.path, decoder)) == shown
    info = probe(made.path)
    turned = clockwise in (90, 270)
    assert info.rotation == clockwise
    assert (info.width, info.height) == ((made.height, made.width) if turned else (made.width, made.height))
    assert info.sample_aspect == (Fraction(3, 4) if turned else Fraction(4, 3))


def test_a_mirrored_picture_is_mirrored_by_pyav(shelf: Shelf) -> None:
    made = shelf.take(make_clips.rotated, clockwise=0, mirrored=True)
    assert quadrants(first(made.path)) == {"tl": "green", "tr": "red", "bl": "grey", "br": "blue"}


def test_a_mirrored_and_turned_picture_is_both(shelf: Shelf) -> None:
    made = shelf.take(make_clips.rotated, clockwise=90, mirrored=True)
    with av.open(str(made.path)) as container:
        matrix = next(container.decode(video=0)).side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5] / 65536
    image = make_clips.picture(0)
    height, width = image.shape[:2]
    shown = {}
    names = {(0, 0): "red", (0, 1): "green", (1, 0): "blue", (1, 1): "grey"}
    for (down, right), name in names.items():
        x, y = (right - 0.5) * width, (down - 0.5) * height
        across, below = a * x + c * y, b * x + d * y  # the matrix as the MP4 standard applies it
        shown[("b" if below > 0 else "t") + ("r" if across > 0 else "l")] = name
    assert quadrants(first(made.path)) == shown


@pytest.mark.parametrize(
    ("maker", "suffix", "matrix", "full", "transfer", "tagged", "depth", "chroma"),
    [
        (make_clips.plain, ".mp4", "bt709", False, "bt709", True, 8, "420"),
        (make_clips.bt601, ".mp4", "smpte170m", False, "smpte170m", True, 8, "420"),
        (make_clips.full_range, ".mp4", "bt709", True, "bt709", True, 8, "420"),
        (make_clips.untagged, ".mp4", "smpte170m", False, "smpte170m", False, 8, "420"),
        (make_clips.ten_bit, ".mp4", "bt709", False, "bt709", True, 10, "420"),
        (make_clips.hdr10, ".mp4", "bt2020nc", False, "smpte2084", True, 10, "420"),
        (make_clips.hlg, ".mp4", "bt2020nc", False, "arib-std-b67", True, 10, "420"),
        (make_clips.odd_size, ".mp4", "bt709", False, "bt709", True, 8, "444"),
        (make_clips.odd_size_420, ".webm", "bt709", False, "bt709", True, 8, "420"),
        (make_clips.lossless_rgb, ".mkv", "gbr", True, "iec61966-2-1", True, 8, "rgb"),
        (make_clips.gif, ".gif", "gbr", True, "iec61966-2-1", True, 8, "rgb"),
    ],
)
def test_colour_tags_are_known_and_followed(
    shelf: Shelf,
    maker: Callable[..., Made],
    suffix: str,
    matrix: str,
    full: bool,
    transfer: str,
    tagged: bool,
    depth: int,
    chroma: str,
) -> None:
    made = shelf.take(maker, suffix)
    info = probe(made.path)
    color = info.color
    assert (color.matrix, color.full_range, color.transfer, color.tagged) == (matrix, full, transfer, tagged)
    assert color.hdr == (transfer in ("smpte2084", "arib-std-b67"))
    assert (info.bit_depth, info.chroma) == (depth, chroma)
    if suffix != ".gif":  # dithered to 256 colours
        assert quadrants(first(made.path)) == UPRIGHT


def test_an_untagged_large_picture_is_taken_for_bt709(shelf: Shelf) -> None:
    made = shelf.take(make_clips.write_clip, ticks=(0, 1), size=(1280, 64))
    info = probe(made.path)
    assert info.color.matrix == "bt709"
    assert not info.color.tagged
    assert quadrants(first(made.path)) == UPRIGHT


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_other_tracks_are_known(shelf: Shelf, suffix: str) -> None:
    info = probe(shelf.take(make_clips.many_tracks, suffix).path)
    assert [(track.codec, track.channels, track.language) for track in info.audio] == [
        ("aac", 6, "eng"),
        ("aac", 1, "fra"),
    ]
    assert all(track.sample_rate_hz == 48000 for track in info.audio)
    assert info.subtitles == 1
    assert info.container.startswith("mov" if suffix == ".mp4" else "matroska")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_the_start_the_length_and_the_rate_come_from_the_packets(shelf: Shelf, suffix: str) -> None:
    with open_video(shelf.take(make_clips.start_offset, suffix).path) as reader:
        info = reader.info
    assert info.start == Fraction(203, 25)
    assert info.duration == Fraction(FRAMES, 25)
    assert info.rate_hz == 25
    assert info.frames == FRAMES


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_variable_rate_is_averaged(shelf: Shelf, suffix: str) -> None:
    with open_video(shelf.take(make_clips.variable_rate, suffix).path) as reader:
        assert float(reader.info.rate_hz) == pytest.approx(11 / 1.033, rel=0.001)


@pytest.mark.parametrize("decoder", ["auto", "pyav"])
def test_frames_hidden_by_an_edit_list_are_decoded_but_not_given(shelf: Shelf, decoder: str) -> None:
    made = shelf.take(make_clips.edit_list)
    with open_video(made.path, decoder) as reader:
        assert reader.decoder.startswith("pyav")
        assert reader.frames == FRAMES - 3
        clips = list(reader.clips(4))
    assert tuple(time for clip in clips for time in clip.pts) == made.pts
    assert [index_of(frame.numpy()) for clip in clips for frame in clip.pixels] == list(range(3, FRAMES))


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_a_single_frame_is_a_video(shelf: Shelf, decoder: str) -> None:
    with open_video(shelf.take(make_clips.one_frame).path, decoder) as reader:
        assert [len(clip) for clip in reader.clips(8)] == [1]


def test_cover_art_is_not_the_video(tmp_path: Path, shelf: Shelf) -> None:
    made = shelf.take(make_clips.plain)
    path = tmp_path / "covered.mp4"
    with av.open(str(made.path)) as source, av.open(str(path), "w") as target:
        cover = target.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 640, 480, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        video = target.add_stream_from_template(source.streams.video[0])
        image = av.VideoFrame.from_ndarray(np.zeros((480, 640, 3), np.uint8), "rgb24")
        target.mux(cover.encode(image))
        target.mux(cover.encode())
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                target.mux(packet)
    info = probe(path)
    assert (info.width, info.height) == (made.width, made.height)
    with open_video(path) as reader:
        assert sum(map(len, reader.clips(5))) == FRAMES


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "options"),
    [
        (".avi", "libx264", "yuv420p", {"bf": "2"}),  # no presentation times
        (".avi", "mpeg4", "yuv420p", {"bf": "2", "qmin": "1", "qmax": "1"}),
        (".ts", "libx265", "yuv420p", {}),
        (".ts", "mpeg2video", "yuv420p", {"bf": "2", "g": "6", "qmin": "1", "qmax": "1"}),
        (".flv", "libx264", "yuv420p", {"bf": "2"}),
        (".webm", "libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "8", "crf": "4", "b": "4M"}),
        (".mov", "prores_ks", "yuv422p10le", {}),
        (".mkv", "ffv1", "yuv444p", {}),
        (".avi", "mjpeg", "yuvj420p", {"qmin": "1", "qmax": "1"}),
        (".apng", "apng", "rgb24", {}),
    ],
)
def test_codecs_and_containers_of_every_kind_are_read(
    shelf: Shelf, suffix: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    made = shelf.take(
        make_clips.write_clip,
        suffix,
        codec=codec,
        pix_fmt=pix_fmt,
        options=options,
        matrix=1 if pix_fmt.startswith("yuv") else None,
        full_range=pix_fmt.startswith("yuvj"),
    )
    for decoder in ("auto", "pyav"):
        for first in (0, 7):
            with open_video(made.path, decoder, start=made.pts[first]) as reader:
                clips = list(reader.clips(5))
                assert reader.frames == FRAMES - first
            frames = [frame for clip in clips for frame in clip.pixels]
            times = [time for clip in clips for time in clip.pts]
            if frames[0].dtype == torch.uint16:
                frames = [(frame.int() // 257).to(torch.uint8) for frame in frames]
            assert [index_of(frame.numpy()) for frame in frames] == list(range(first, FRAMES))
            assert [time - times[0] for time in times] == [
                time - made.pts[first] for time in made.pts[first:]
            ]


def test_a_moving_png_is_a_video_whatever_its_name(tmp_path: Path) -> None:
    made = make_clips.write_clip(tmp_path / "moving.apng", codec="apng", pix_fmt="rgb24")
    with open_video(made.path.rename(tmp_path / "moving.png")) as reader:
        assert reader.frames == FRAMES
        assert reader.info.container == "apng"


@pytest.mark.parametrize("make", [make_clips.b_frames, make_clips.edit_list, make_clips.many_tracks])
def test_an_mp4_that_is_known_gives_the_same_packets_though_nothing_is_decoded_on_opening(
    shelf: Shelf, make: Callable[[Path], Made]
) -> None:
    path = shelf.take(make, ".mp4").path
    found = []
    for known in (False, True):
        with open_container(path, known=known) as container:
            assert (container.streams.video[0].codec_context.pix_fmt is None) == known
            found.append([(p.pts, p.dts, p.duration, p.is_keyframe, bytes(p)) for p in container.demux()])
    assert found[0] == found[1]
