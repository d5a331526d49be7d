"""Every awkward container, copied as it is: the table of what survives.

With SCENIVID_CONTAINER_TABLE=FILE the table is written there as Markdown (eval/container_table.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import make_clips
import pytest
from identity import copy, packets

from scenivid.errors import InputError
from scenivid.frames import to_float
from scenivid.video.info import ColorInfo
from scenivid.video.open import open_video, probe
from scenivid.video.tonemap import tonemap

BT709 = ColorInfo("bt709", False, "bt709", "bt709", True)
MADE: dict[str, Callable[[Path], object]] = {
    "vfr.mp4": make_clips.variable_rate,
    "vfr.mkv": make_clips.variable_rate,
    "b_frames.mp4": make_clips.b_frames,
    "open_groups.mp4": make_clips.open_groups,
    "edit_list.mp4": make_clips.edit_list,
    "5.1_and_second_audio.mp4": make_clips.many_tracks,
    "5.1_and_second_audio.mkv": make_clips.many_tracks,
    "rotated_90.mp4": partial(make_clips.rotated, clockwise=90),
    "rotated_180.mp4": partial(make_clips.rotated, clockwise=180),
    "rotated_270.mov": partial(make_clips.rotated, clockwise=270),
    "odd_444.mp4": make_clips.odd_size,
    "odd_420.webm": make_clips.odd_size_420,
    "sar_4_3.mp4": make_clips.anamorphic,
    "full_range.mp4": make_clips.full_range,
    "bt601.mp4": make_clips.bt601,
    "untagged.mp4": make_clips.untagged,
    "10_bit.mp4": make_clips.ten_bit,
    "hdr10.mp4": make_clips.hdr10,
    "hlg.mp4": make_clips.hlg,
    "gif.gif": make_clips.gif,
    "start_offset.mp4": make_clips.start_offset,
    "start_offset.mkv": make_clips.start_offset,
    "one_frame.mp4": make_clips.one_frame,
    "zero_frames.mp4": make_clips.no_frames,
    "truncated.mp4": make_clips.truncated,
    "no_index.mp4": make_clips.without_index,
    "damaged.mp4": make_clips.damaged,
    "sound_only.wav": make_clips.sound_only,
}
BAD = {"corrupted.mp4", "zero_frames.mp4", "truncated.mp4", "no_index.mp4", "damaged.mp4", "sound_only.wav"}
"""Sources for which one clear line is the right result."""
REAL = [
    "bt601_full_range.mp4",
    "bt601_limited_range.mp4",
    "bt709_full_range.mp4",
    "corrupted.mp4",
    "flower.mp4",
    "friday.mp4",
    "h264_10bits.mp4",
    "nasa_13013.mp4",
    "nasa_13013_rotated.mp4",
    "stream-of-water.mp4",
    "test_non_zero_start.mp4",
    "testsrc2_hdr.mp4",
    "testsrc2_odd_height_and_width_444.mp4",
    "testsrc2_odd_height_and_width_vp9.mp4",
    "video_270.mov",
    "video_90.mov",
]
"""In the shared data."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    output: str
    frames: str = ""
    pts: str = ""
    audio: str = ""
    size: str = ""
    tags: str = ""
    lossy: str = ""
    lossless: str = ""
    notes: str = ""


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    rows: list[Row] = []
    yield rows
    target = os.environ.get("SCENIVID_CONTAINER_TABLE")
    if target and rows:
        Path(target).write_text(_markdown(rows))


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_made_clip(tmp_path: Path, table: list[Row], name: str) -> None:
    MADE[name](tmp_path / name)
    table.append(_copied(tmp_path / name, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_clip(tmp_path: Path, shared: Path, table: list[Row], name: str) -> None:
    table.append(_copied(shared / "videos" / name, tmp_path))


def _copied(source: Path, folder: Path) -> Row:
    suffix = source.suffix if source.suffix in {".mkv", ".mov"} else ".mp4"
    output, exact = folder / f"copy{suffix}", folder / "exact.mkv"
    if source.name in BAD:
        with pytest.raises(InputError) as caught:
            copy(source, output, crf=12)
        message = str(caught.value)
        assert "\n" not in message and not output.exists() and not list(folder.glob(".*"))
        return Row(source.name, suffix, notes=message.replace(str(source), source.name))
    notes = copy(source, output, crf=12)
    info, made = probe(source), probe(output)

    before, after = _times(source, info.stream_index), _times(output, made.stream_index)
    assert len(before) == len(after)
    worst = max(abs(one - other) for one, other in zip(before, after, strict=True))
    assert worst == 0 or (suffix == ".mkv" and worst <= Fraction(1, 2000))

    heard = packets(source, "audio"), packets(output, "audio")
    assert [[data for data, _, _ in track] for track in heard[0]] == [
        [data for data, _, _ in track] for track in heard[1]
    ]
    shift = [
        abs(a[1] - b[1]) for one, other in zip(*heard, strict=True) for a, b in zip(one, other, strict=True)
    ]
    assert max(shift, default=0) <= Fraction(1, 1000)

    assert (made.width, made.height, made.rotation) == (info.width, info.height, 0)
    assert made.sample_aspect == info.sample_aspect
    assert made.bit_depth == (8 if info.color.hdr else min(info.bit_depth, 8))
    known = info.color.tagged and not info.color.hdr and info.color.matrix != "gbr"
    wanted = info.color if known else BT709
    assert replace(made.color, tagged=True) == wanted

    copy(source, exact, codec="ffv1")
    lossless, _ = _differences(source, exact)
    assert lossless == 0
    _, lossy = _differences(source, output)
    # 4:2:0 costs hard edges of saturated colour a few levels, and a dithered palette more.
    assert lossy < (15 if info.codec == "gif" else 4)
    matrix = f"{made.color.matrix} {'full' if made.color.full_range else 'limited'} {made.bit_depth}-bit"
    return Row(
        source.name,
        suffix,
        f"{len(before)} = {len(after)}",
        "equal" if worst == 0 else f"≤ {float(worst * 1000):.2f} ms",
        ", ".join(f"{len(track)} packets identical" for track in heard[0]) or "none",
        f"{made.width}×{made.height}" + ("" if made.sample_aspect == 1 else f", SAR {made.sample_aspect}"),
        f"{matrix}{'' if known else ' (source: ' + _why(info.color) + ')'}",
        f"{lossy:.2f}",
        "bit-exact",
        "; ".join(notes),
    )


def _why(color: ColorInfo) -> str:
    if color.hdr:
        return "PQ" if color.transfer == "smpte2084" else "HLG"
    return "RGB" if color.matrix == "gbr" else "untagged"


def _times(path: Path, stream: int) -> list[Fraction]:
    """When the frames of one track are shown, by the container alone."""
    with av.open(str(path)) as container:
        track = container.streams[stream]
        return sorted(p.pts * p.time_base for p in container.demux(track) if p.size and not p.is_discard)


def _differences(source: Path, output: Path) -> tuple[float, float]:
    """Largest and mean absolute difference of the decoded pixels, in 1/255."""
    largest, total, frames = 0.0, 0.0, 0
    with open_video(source, "pyav") as one, open_video(output, "pyav") as other:
        for a, b in zip(one.clips(4), other.clips(4), strict=True):
            shown = tonemap(a, one.info) if one.info.color.hdr else a
            if shown.pixels.dtype == b.pixels.dtype and shown.pixels.equal(b.pixels):
                frames += len(b)
                continue
            gap = (to_float(shown.pixels) - to_float(b.pixels)).abs() * 255
            largest = max(largest, float(gap.max()))
            total += float(gap.mean()) * len(b)
            frames += len(b)
    return largest, total / frames


def _markdown(rows: list[Row]) -> str:
    heads = ["source", "to", "frames in = out", "pts", "audio", "size", "tags"]
    heads += ["mean error, crf 12 (of 255)", "ffv1", "notes, or the error"]
    lines = [heads, ["---"] * len(heads)]
    lines += [list(vars(row).values()) for row in rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
