"""Sound, subtitles, covers and timecode arrive in every container; bad packets cost only themselves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import make_clips
import numpy as np
import pytest
from av.stream import Disposition
from identity import copy, packets, read
from make_clips import Sound, write_clip
from remuxed import remuxed

from scenivid.video.writing.tracks.timecode import later


def _lines(path: Path) -> list[tuple[str, float, float]]:
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.subtitles[0]):
            if packet.size > 2:
                shown = "".join(rect.dialogue.decode() for rect in packet.decode())
                unit = packet.time_base
                found.append((shown, float(packet.pts * unit), float(packet.duration * unit)))
    return found


@pytest.mark.parametrize(
    ("source", "output", "codec"),
    [
        (".mp4", ".mkv", "subrip"),
        (".mkv", ".mp4", "mov_text"),
        (".mkv", ".mov", "mov_text"),
        (".mp4", ".webm", "webvtt"),
    ],
)
def test_text_subtitles_are_turned_into_what_the_container_holds(
    tmp_path: Path, source: str, output: str, codec: str
) -> None:
    made = make_clips.many_tracks(tmp_path / f"in{source}")
    notes = copy(made.path, tmp_path / f"out{output}")
    assert any("subtitle track" in note and f"turned into {codec}" in note for note in notes)
    assert _lines(tmp_path / f"out{output}") == [("Line 0", 0.1, 0.1), ("Line 1", 0.25, 0.1)]
    with av.open(str(tmp_path / f"out{output}")) as container:
        assert container.streams.subtitles[0].codec_context.codec.canonical_name == codec


def test_subtitles_come_back_from_a_round_trip(tmp_path: Path) -> None:
    made = make_clips.many_tracks(tmp_path / "in.mkv")
    copy(made.path, tmp_path / "there.mp4")
    copy(tmp_path / "there.mp4", tmp_path / "back.mkv")
    assert _lines(tmp_path / "back.mkv") == _lines(made.path)


def _with_cover(path: Path, kind: str = ".jpg") -> tuple[Path, bytes]:
    made = write_clip(path.with_name("plain.mp4"), sounds=(Sound(),), title="Covered", matrix=1)
    picture = cv2.imencode(kind, np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
    with av.open(str(made.path)) as source, av.open(str(path), "w") as container:
        container.metadata["title"] = "Covered"
        tracks = {s.index: container.add_stream_from_template(s, opaque=True) for s in source.streams}
        if path.suffix == ".mkv":
            container.add_attachment(f"cover{kind}", f"image/{kind[1:].replace('jpg', 'jpeg')}", picture)
        else:
            cover = container.add_mux_stream("mjpeg" if kind == ".jpg" else "png", width=8, height=8)
            cover.disposition = Disposition.attached_pic
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts = cover, 0, 0
            container.mux(packet)
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream.index]
                container.mux(packet)
    return path, picture


@pytest.mark.parametrize("kind", [".jpg", ".png"])
@pytest.mark.parametrize("output", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("source", [".mp4", ".mkv"])
def test_a_cover_is_kept(tmp_path: Path, source: str, output: str, kind: str) -> None:
    made, picture = _with_cover(tmp_path / f"in{source}", kind)
    out = tmp_path / f"out{output}"
    assert not any("cover" in note for note in copy(made, out))
    with av.open(str(out)) as container:
        (cover,) = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
        assert [bytes(packet) for packet in container.demux(cover) if packet.size] == [picture]
        assert container.metadata["title"] == "Covered"
    assert len(read(out)) == make_clips.FRAMES
    assert len(packets(out, "audio")[0]) == len(packets(made, "audio")[0])


def test_where_there_is_no_place_for_a_cover_a_note_says_so(tmp_path: Path) -> None:
    made, _ = _with_cover(tmp_path / "in.mp4")
    assert any(note.startswith("1 cover") for note in copy(made, tmp_path / "out.webm"))


@pytest.fixture
def clocked(tmp_path: Path) -> Path:
    """A QuickTime file with sound and a timecode track."""
    sound = (Sound(codec="pcm_s16le"),)
    made = write_clip(tmp_path / "plain.mov", ticks=tuple(range(30)), sounds=sound, matrix=1)
    return remuxed(made.path, tmp_path / "in.mov", metadata={"timecode": "10:00:00:00"})


def _timecodes(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [s.metadata["timecode"] for s in container.streams if s.type == "data"]


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_a_timecode_track_is_kept(tmp_path: Path, clocked: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    assert _timecodes(clocked) == ["10:00:00:00"]
    assert copy(clocked, out) == []
    assert _timecodes(out) == ["10:00:00:00"]
    assert len(read(out)) == 30 and len(packets(out, "audio")) == 1


def test_a_timecode_begins_where_the_part_begins(tmp_path: Path, clocked: Path) -> None:
    copy(clocked, tmp_path / "out.mov", start=Fraction(26, 25))
    assert _timecodes(tmp_path / "out.mov") == ["10:00:01:01"]


def test_a_timecode_that_matroska_has_no_track_for_is_noted(tmp_path: Path, clocked: Path) -> None:
    notes = copy(clocked, tmp_path / "out.mkv")
    assert any("timecode track left out" in note and "10:00:00:00" in note for note in notes)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.video[0].metadata["TIMECODE"] == "10:00:00:00"


@pytest.mark.parametrize(
    ("begin", "frames", "rate", "shown"),
    [
        ("10:00:00:00", 25 * 61, Fraction(25), "10:01:01:00"),
        ("00:00:59;29", 1, Fraction(30000, 1001), "00:01:00;02"),
        ("00:09:59;29", 1, Fraction(30000, 1001), "00:10:00;00"),
        ("00:00:00;00", 17982, Fraction(30000, 1001), "00:10:00;00"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("nonsense", 5, Fraction(25), "nonsense"),
    ],
)
def test_a_timecode_counts_frames(begin: str, frames: int, rate: Fraction, shown: str) -> None:
    assert later(begin, frames / rate, rate) == shown


def test_a_data_track_that_is_left_out_is_named(tmp_path: Path) -> None:
    made = write_clip(tmp_path / "plain.ts", sounds=(Sound(codec="ac3"),), matrix=1)
    source = tmp_path / "in.ts"
    with av.open(str(made.path)) as one, av.open(str(source), "w") as other:
        tracks = {s.index: other.add_stream_from_template(s, opaque=True) for s in one.streams}
        data = other.add_data_stream("klv")
        for packet in one.demux():
            if packet.size:
                if packet.stream.type == "video":
                    klv = av.Packet(b"\x06\x0e\x2b\x34" + bytes(16))
                    klv.stream, klv.time_base = data, packet.time_base
                    klv.pts = klv.dts = packet.dts
                    other.mux(klv)
                packet.stream = tracks[packet.stream.index]
                other.mux(packet)
    notes = copy(source, tmp_path / "out.mp4")
    assert any("1 data track (klv) left out: can't be stored in .mp4" in note for note in notes)
