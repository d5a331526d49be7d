"""Sound, subtitles, chapters, attachments and metadata come along as they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import make_clips
import numpy as np
import pytest
import torch
from av.stream import Disposition
from identity import copy, packets, read
from make_clips import Sound, write_clip

from scenivid.pixels import Clip
from scenivid.video.open import probe
from scenivid.video.writing.writer import WriterSettings, open_writer

FONT = b"not really a font" * 40


def _data(path: Path, kind: str) -> list[list[bytes]]:
    return [[data for data, _, _ in track] for track in packets(path, kind)]


def _with_extras(path: Path) -> Path:
    """Matroska with ASS subtitles, a font, a cover and two sound tracks, the second the default."""
    made = write_clip(
        path.with_stem("plain"), sounds=(Sound(), Sound(codec="flac", language="jpn")), matrix=1
    )
    cover = cv2.imencode(".png", np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
    with av.open(str(made.path)) as source, av.open(str(path), "w") as container:
        tracks = {s.index: container.add_stream_from_template(s, opaque=True) for s in source.streams}
        for index, track in tracks.items():
            track.disposition = Disposition.default if index == 2 else Disposition(0)
        tracks[1].disposition = Disposition.comment
        text = container.add_mux_stream("ass", time_base=Fraction(1, 1000))
        text.metadata["language"] = "eng"
        container.add_attachment("a.ttf", "application/x-truetype-font", FONT)
        container.add_attachment("cover.png", "image/png", cover)
        container.metadata.update({"title": "With extras", "artist": "Somebody"})
        for number in range(3):
            packet = av.Packet(f"{number},0,Default,,0,0,0,,Line {number}".encode())
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = 50 + 150 * number
            packet.duration = 100
            container.mux(packet)
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream.index]
                container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_many_tracks_survive(tmp_path: Path, suffix: str) -> None:
    source, output = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    make_clips.many_tracks(source)
    notes = copy(source, output)
    assert notes == []
    for kind, tracks in (("audio", 2), ("subtitle", 1)):
        before, after = packets(source, kind), packets(output, kind)
        assert len(before) == len(after) == tracks
        assert after == before, kind
    with av.open(str(source)) as one, av.open(str(output)) as other:
        assert [s.type for s in one.streams] == [s.type for s in other.streams]
        assert [s.language for s in one.streams] == [s.language for s in other.streams]
        assert [s.disposition for s in one.streams] == [s.disposition for s in other.streams]
        assert [s.layout.name for s in other.streams.audio] == ["5.1", "mono"]
        assert other.metadata["title"] == "Many tracks"
        marks = [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in other.chapters()]
        assert marks == [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in one.chapters()]
        assert [c["metadata"]["title"] for c in other.chapters()] == ["Part 1", "Part 2"]


@pytest.mark.parametrize(
    ("codec", "source", "output"),
    [
        ("aac", ".mp4", ".mkv"),
        ("aac", ".mkv", ".mp4"),
        ("ac3", ".mkv", ".mp4"),
        ("libopus", ".mkv", ".mp4"),
        ("libopus", ".mkv", ".webm"),
        ("flac", ".mkv", ".mp4"),
        ("pcm_s16le", ".mov", ".mov"),
        ("pcm_s16le", ".mkv", ".mkv"),
        ("pcm_s16le", ".mkv", ".mp4"),
    ],
)
def test_sound_is_the_same_bytes_at_the_same_times(
    tmp_path: Path, codec: str, source: str, output: str
) -> None:
    made = write_clip(tmp_path / f"in{source}", sounds=(Sound(codec=codec),), matrix=1)
    copy(made.path, tmp_path / f"out{output}")
    (before,), (after,) = packets(made.path, "audio"), packets(tmp_path / f"out{output}", "audio")
    assert len(before) > 2
    if codec == "pcm_s16le":  # containers cut raw samples as they like
        assert b"".join(data for data, _, _ in after) == b"".join(data for data, _, _ in before)
        assert after[0][1] == before[0][1]
        return
    assert [data for data, _, _ in after] == [data for data, _, _ in before]
    for one, other in zip(before, after, strict=True):
        assert abs(one[1] - other[1]) <= Fraction(1, 1000)
    assert read(tmp_path / f"out{output}").pts == made.pts  # early sound has not pushed the picture


def test_sound_that_starts_late_still_does(tmp_path: Path) -> None:
    made = write_clip(tmp_path / "plain.mp4", sounds=(Sound(),), matrix=1)
    late = tmp_path / "late.mp4"
    options = {"movie_timescale": "48000"}
    with av.open(str(made.path)) as source, av.open(str(late), "w", container_options=options) as container:
        tracks = {s.index: container.add_stream_from_template(s, opaque=True) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                moved = 4801 if packet.stream.type == "audio" else 0
                packet.stream = tracks[packet.stream.index]
                packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                container.mux(packet)
    copy(late, tmp_path / "out.mp4")
    assert packets(tmp_path / "out.mp4", "audio") == packets(late, "audio")
    assert packets(late, "audio")[0][0][1] > 0
    assert read(tmp_path / "out.mp4").pts == made.pts


def test_a_start_offset_keeps_sound_in_step(tmp_path: Path) -> None:
    ticks = tuple(range(50, 60))
    made = write_clip(tmp_path / "in.mkv", ticks=ticks, sounds=(Sound(codec="flac"),), matrix=1)
    copy(made.path, tmp_path / "out.mkv")
    assert packets(tmp_path / "out.mkv", "audio") == packets(made.path, "audio")
    assert read(tmp_path / "out.mkv").pts == made.pts


def test_matroska_keeps_fonts_covers_styled_subtitles_and_dispositions(tmp_path: Path) -> None:
    source = _with_extras(tmp_path / "in.mkv")
    output = tmp_path / "out.mkv"
    assert copy(source, output) == []
    assert _data(output, "subtitle") == _data(source, "subtitle")
    with av.open(str(source)) as one, av.open(str(output)) as other:
        fonts = [s for s in other.streams if s.type == "attachment"]
        assert [(s.name, s.mimetype, s.data) for s in fonts] == [
            ("a.ttf", "application/x-truetype-font", FONT)
        ]
        assert [s.disposition for s in other.streams.audio] == [s.disposition for s in one.streams.audio]
        assert other.metadata["title"] == "With extras" and other.metadata["ARTIST"] == "Somebody"
        covers = [s for s in other.streams.video if s.disposition & Disposition.attached_pic]
        assert len(covers) == 1
        (before,) = [s for s in one.streams.video if s.disposition & Disposition.attached_pic]
        pictures = [[bytes(p) for p in c.demux(s) if p.size] for c, s in ((one, before), (other, covers[0]))]
        assert pictures[0] == pictures[1] != []


def test_what_mp4_can_not_hold_is_left_out_with_a_note(tmp_path: Path) -> None:
    source = _with_extras(tmp_path / "in.mkv")
    notes = copy(source, tmp_path / "out.mp4")
    assert any("subtitle track (ssa eng) was turned into mov_text, without its styles" in n for n in notes)
    assert any("1 attachment (a.ttf) left out" in note for note in notes)
    assert _data(tmp_path / "out.mp4", "audio") == _data(source, "audio")
    with av.open(str(tmp_path / "out.mp4")) as output:
        assert output.metadata["title"] == "With extras" and output.metadata["artist"] == "Somebody"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_unusual_metadata_and_track_names_are_kept(tmp_path: Path, suffix: str) -> None:
    made = write_clip(tmp_path / "plain.mkv", sounds=(Sound(),), title="A title", matrix=1)
    named = tmp_path / "named.mkv"
    with av.open(str(made.path)) as source, av.open(str(named), "w") as container:
        tracks = {s.index: container.add_stream_from_template(s, opaque=True) for s in source.streams}
        container.metadata.update({"title": "A title", "CAMERA_MOOD": "dreamy"})
        tracks[0].metadata.update({"title": "Main view", "language": "jpn"})
        tracks[1].metadata.update({"title": "Commentary", "NUMBER_OF_FRAMES-eng": "9"})
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream.index]
                container.mux(packet)
    copy(named, tmp_path / f"first{suffix}")
    copy(tmp_path / f"first{suffix}", tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as output:
        assert (output.metadata["title"], output.metadata["CAMERA_MOOD"]) == ("A title", "dreamy")
        names = [s.metadata.get("title") or s.metadata.get("name") for s in output.streams]
        assert names == ["Main view", "Commentary"]
        assert output.streams[0].language == "jpn"
        assert not any(key.startswith("NUMBER_OF") for key in output.streams[1].metadata)


def test_rotation_is_gone_once_the_pixels_are_upright(tmp_path: Path) -> None:
    made = make_clips.rotated(tmp_path / "in.mp4", 90)
    copy(made.path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as output:
        frame = next(output.decode(video=0))
        assert frame.rotation == 0
        assert (frame.width, frame.height) == (made.height, made.width)
        assert output.streams.video[0].sample_aspect_ratio == Fraction(3, 4)


def test_trimming_takes_sound_subtitles_and_chapters_with_it(tmp_path: Path) -> None:
    made = write_clip(
        tmp_path / "in.mkv",
        ticks=tuple(range(25)),
        sounds=(Sound(),),
        subtitles="srt",  # 0.10 to 0.20 s and 0.25 to 0.35 s
        chapters=True,  # 0 to 0.2 s and 0.2 to 0.4 s
        matrix=1,
    )
    start, length = Fraction(3, 25), Fraction(1, 5)
    copy(made.path, tmp_path / "out.mkv", start=start, duration=length)
    out = tmp_path / "out.mkv"
    assert read(out).pts == tuple(Fraction(n, 25) for n in range(5))
    (before,), (after,) = packets(made.path, "audio"), packets(out, "audio")
    inside = [(data, time - start) for data, time, _ in before if start <= time < start + length]
    assert [(data, time) for data, time, _ in after] == inside
    (lines,) = packets(out, "subtitle")
    assert [(data, float(time), float(span)) for data, time, span in lines] == [
        (b"Line 0", 0.0, 0.08),
        (b"Line 1", 0.13, 0.1),
    ]
    with av.open(str(out)) as container:
        marks = [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in container.chapters()]
    assert [(float(a), float(b)) for a, b in marks] == [(0.0, 0.08), (0.08, 0.2)]


def test_trimming_far_into_a_source_finds_its_sound(tmp_path: Path) -> None:
    made = write_clip(
        tmp_path / "in.mp4",
        ticks=tuple(range(40)),
        time_base=Fraction(1),
        sounds=(Sound(layout="mono", rate_hz=8000),),
        matrix=1,
    )
    start = Fraction(30)
    copy(made.path, tmp_path / "out.mp4", start=start, duration=Fraction(5))
    (before,), (after,) = packets(made.path, "audio"), packets(tmp_path / "out.mp4", "audio")
    inside = [(data, time - start) for data, time, _ in before if start <= time < start + 5]
    assert [(data, time) for data, time, _ in after] == inside
    assert read(tmp_path / "out.mp4").pts == tuple(Fraction(n) for n in range(5))


def test_a_source_that_can_not_be_read_twice_loses_its_sound_with_a_note(tmp_path: Path) -> None:
    made = write_clip(tmp_path / "in.mp4", sounds=(Sound(),), matrix=1)
    info = probe(made.path)
    made.path.unlink()
    grey = torch.full((1, 3, info.height, info.width), 128, dtype=torch.uint8)
    with open_writer(tmp_path / "out.mp4", info, WriterSettings()) as writer:
        writer.write(Clip(grey, (Fraction(0),)))
    assert any("can't be read twice" in note for note in writer.notes)
    assert packets(tmp_path / "out.mp4", "audio") == []
