"""Every awkward container, copied as it is: the table of what survives.

With SCENIVID_CONTAINER_TABLE=FILE the table is written there as Markdown (eval/container_table.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import odd_clips
import pytest
from av.stream import Disposition
from container_kinds import KINDS, MADE
from identity import copy, packets

from scenivid.errors import InputError
from scenivid.pixels import to_float
from scenivid.video.info import ColorInfo
from scenivid.video.open import open_video, probe
from scenivid.video.tonemap import tonemap

BT709 = ColorInfo("bt709", False, "bt709", "bt709", True)
KINDS |= {
    f"{Path(name).stem}_as{Path(name).suffix}" if name in KINDS else name: (
        ".mkv" if number % 2 else ".mp4",
        make,
    )
    for number, (name, make) in enumerate(odd_clips.TIMES.items())
    if make not in {known for _, known in KINDS.values()}
}
"""Files that people have, and to what they are copied: what can't go along as it is, is changed and said."""
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
@pytest.mark.parametrize("name", KINDS)
def test_kind_of_file(tmp_path: Path, table: list[Row], name: str) -> None:
    suffix, make = KINDS[name]
    make(tmp_path / name)
    table.append(_carried(tmp_path / name, tmp_path / f"copy{suffix}"))


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


def _carried(source: Path, output: Path) -> Row:
    """Every frame at its time, every track in some form, or a note that says why not."""
    notes = copy(source, output, crf=12)
    with open_video(source, "pyav") as reader:
        before = [pts for clip in reader.clips(8) for pts in clip.pts]
    shown = odd_clips.shown_by_ffmpeg(source, reader.info.stream_index)
    assert len(before) == len(shown)
    if source.name != "no_offsets.flv":  # which ffmpeg shows unevenly
        assert all(abs(a - before[0] - b) < 0.0011 for a, b in zip(before, shown, strict=True))
    made = probe(output)
    after = _times(output, made.stream_index)
    assert len(before) == len(after) and min(after) >= 0
    gaps = [a - after[0] - (b - before[0]) for a, b in zip(after, before, strict=True)]
    assert max(map(abs, gaps)) <= Fraction(1, 1000)
    moved = after[0] - before[0]
    assert abs(moved) <= Fraction(1, 1000) or any("all times are moved on" in note for note in notes)

    heard = []
    for one, other in zip(_tracks(source, "audio"), _tracks(output, "audio"), strict=True):
        (codec, data, begin, length), (kept, same, start, lasts) = one, other
        assert abs(start - begin - moved) <= Fraction(1, 40) and abs(lasts - length) <= Fraction(1, 10)
        if kept == codec:
            assert len(same) == len(data)  # AAC of a stream loses the headers that only streams need
            assert all(a.endswith(b) for a, b in zip(data, same, strict=True))
            heard.append(f"{codec}: {len(data)} packets identical")
        else:
            assert any(f"audio track ({codec})" in note and "was encoded" in note for note in notes)
            heard.append(f"{codec} → {kept}, as long")
    written = [_lines(path) for path in (source, output)]
    assert [line for line, _ in written[0]] == [line for line, _ in written[1]]
    assert all(abs(b - a - moved) <= Fraction(1, 500) for (_, a), (_, b) in zip(*written, strict=True))
    assert _covers(source) == _covers(output)
    clocks = [_timecodes(path) for path in (source, output)]
    assert clocks[0] == clocks[1]
    extra = [f"{len(written[0])} subtitles"] * bool(written[0]) + ["cover"] * len(_covers(source)) + clocks[0]
    return Row(
        source.name,
        output.suffix,
        f"{len(before)} = {len(after)}",
        "equal" if not any(gaps) else f"≤ {float(max(map(abs, gaps)) * 1000):.2f} ms",
        ", ".join(heard + extra) or "none",
        f"{made.width}×{made.height}",
        notes="; ".join(notes),
    )


def _tracks(path: Path, kind: str) -> list[tuple[str, list[bytes], Fraction, Fraction]]:
    """Of each track: codec, packets, begin and length in seconds."""
    with av.open(str(path)) as container:
        codecs = [s.codec_context.codec.canonical_name for s in container.streams if s.type == kind]
        units = [s.codec_context.sample_rate for s in container.streams if s.type == kind]
    found = []
    for codec, data, rate in zip(codecs, packets(path, kind), units, strict=True):
        with av.open(str(path)) as container:
            frames = list(container.decode(audio=len(found)))
        length = Fraction(sum(frame.samples for frame in frames), rate)
        found.append((codec, [each for each, _, _ in data], frames[0].pts * frames[0].time_base, length))
    return found


def _lines(path: Path) -> list[tuple[str, Fraction]]:
    with av.open(str(path)) as container:
        shown = [packet for s in container.streams.subtitles for packet in container.demux(s)]
        return [
            ("".join(rect.dialogue.decode() for rect in packet.decode()), packet.pts * packet.time_base)
            for packet in shown
            if packet.size > 2
        ]


def _covers(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        covers = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
        return [bytes(packet) for s in covers for packet in container.demux(s) if packet.size]


def _timecodes(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [
            s.metadata["timecode"] for s in container.streams if "timecode" in s.metadata and s.type == "data"
        ]


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
