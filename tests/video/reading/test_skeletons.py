"""What FFmpeg passes over in silence shows in the skeleton of a file, or in times that can't be true."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from odd_clips import H264, encoded

from scenivid.errors import InputError
from scenivid.video.open import open_video
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.reading.skeleton.walks import structure_of
from scenivid.video.reading.times.presentation import Stamp, astray, times_of_frames

FRAMES = 30
MPEG2 = ("-c:v", "mpeg2video", "-bf", "0")
MPEG4 = ("-c:v", "mpeg4")
WMV = ("-c:v", "wmv2", "-b:v", "2M")


def read(path: Path, strict: bool = False) -> tuple[int, tuple[str, ...], int]:
    with open_video(path, how=ReadSettings(on_error="skip", strict=strict)) as reader:
        count = sum(map(len, reader.clips(8)))
        return count, reader.notes, reader.frames_lost


def spoil(path: Path, at: int, data: bytes) -> None:
    held = bytearray(path.read_bytes())
    held[at : at + len(data)] = data
    path.write_bytes(held)


def block_of_no_track(path: Path) -> None:
    """A frame of a Matroska file that belongs to a track that doesn't exist."""
    at = path.read_bytes().index(b"\xa3", path.stat().st_size // 2)
    while path.read_bytes()[at + 3] != 0x81:
        at = path.read_bytes().index(b"\xa3", at + 1)
    spoil(path, at + 3, b"\x89")


def index_entry_gone(path: Path) -> None:
    """An index of an AVI in which a frame and a piece of sound are far too large."""
    begin = path.read_bytes().rindex(b"idx1") + 8
    at = path.read_bytes().index(b"00dc", begin + 16 * 12)
    spoil(path, at + 12, b"\xff\xff\xff\x7f")
    spoil(path, path.read_bytes().index(b"01wb", begin) + 12, b"\0\0\x80\0")


def chunk_renamed(path: Path) -> None:
    """Something else where a frame of an AVI should begin."""
    at = 0
    for _ in range(10):
        at = path.read_bytes().index(b"00dc", at + 1)
    spoil(path, at, b"\x8f\x12\x00\xff")
    spoil(path, path.read_bytes().rindex(b"idx1"), b"\0" * 200)


def chunk_without_end(path: Path) -> None:
    """Something else in an AVI that looks like a chunk, of more bytes than there are."""
    at = 0
    for _ in range(20):
        at = path.read_bytes().index(b"00dc", at + 1)
    spoil(path, at, b"w+c@\x1e\xf5\xf4\x18")
    spoil(path, path.read_bytes().rindex(b"idx1"), b"\0" * 200)


def sample_of_no_chunk(path: Path) -> None:
    """A table of an MP4 by which most frames lie in no chunk."""
    at = path.read_bytes().index(b"stsc")
    spoil(path, at + 16, (1).to_bytes(4, "big"))


def rows_without_room(path: Path) -> None:
    """A table of an MP4 that announces more rows than it has room for."""
    spoil(path, path.read_bytes().index(b"stco") + 4, b"\0\0\0\0\x7f\0\0\0")


def times_of_too_many(path: Path) -> None:
    """A table of an MP4 that has times for billions of frames."""
    spoil(path, path.read_bytes().index(b"stts") + 12, b"\x80")


def key_frame_far_away(path: Path) -> None:
    """A first frame whose offset is so wild that the edit list cuts it off."""
    spoil(path, path.read_bytes().index(b"ctts") + 16, b"\0\1\0\0")


def picture_lost_in_its_neighbour(path: Path) -> None:
    """A picture of a transport stream without its start code: it counts as the end of the one before."""
    data = path.read_bytes()
    at = 0
    for _ in range(20):
        at = data.index(b"\0\0\1\0", at + 1)
    spoil(path, at, b"\0\0\1\xb2")


def picture_of_no_kind(path: Path) -> None:
    """The header of a picture of MPEG-4, made senseless: the decoder says nothing and gives nothing."""
    data, at = path.read_bytes(), 0
    for _ in range(9):
        at = data.index(b"\0\0\1\xb6", at + 1)
    spoil(path, at, b"\xff" * 4)


def offsets_of_too_many(path: Path) -> None:
    """The same of the offsets between decoding and showing: frames move, and the edit list cuts some off."""
    spoil(path, path.read_bytes().index(b"ctts") + 21, b"\x20")


def no_media_header(path: Path) -> None:
    """A track of an MP4 without what it must have."""
    spoil(path, path.read_bytes().index(b"mdhd"), b"m\x80\0\0")


def no_start(path: Path) -> None:
    """A frame of a transport stream whose start code has become something else."""
    data, found = path.read_bytes(), 0
    for at in range(0, len(data), 188):
        begins, pid = data[at + 1] & 0x40, (data[at + 1] & 0x1F) << 8 | data[at + 2]
        found += begins > 0 and pid == 256
        if found == 20:
            spoil(path, data.index(b"\0\0\1\xe0", at), b"\x99\x88\x77")
            return


def unmarked(path: Path) -> None:
    """A packet of a transport stream that has lost its mark."""
    spoil(path, 188 * (path.stat().st_size // 376), b"\0")


def first_frame_spoilt(path: Path) -> None:
    """The header of the first picture of an MPEG program stream, made senseless."""
    at = path.read_bytes().index(b"\0\0\1\0")
    spoil(path, at, b"\xff" * 12)


def last_packets_zeroed(path: Path) -> None:
    """Packets at the end of an ASF, all zero."""
    size = 3200
    spoil(path, path.stat().st_size - 4 * size, bytes(2 * size))


SOUND = ("-f", "lavfi", "-i", "sine=440:d=1.2")
SPOILT = {
    "track.mkv": (("-c:v", "ffv1"), block_of_no_track),
    "index.avi": ((*SOUND, *MPEG4), index_entry_gone),
    "chunk.avi": (MPEG4, chunk_renamed),
    "end.avi": (MPEG4, chunk_without_end),
    "stsc.mp4": (H264, sample_of_no_chunk),
    "stco.mp4": (MPEG4, rows_without_room),
    "stts.mov": (("-c:v", "mjpeg"), times_of_too_many),
    "ctts.mp4": (H264, key_frame_far_away),
    "merged.ts": (MPEG2, picture_lost_in_its_neighbour),
    "silent.mp4": (MPEG4, picture_of_no_kind),
    "silent.avi": (MPEG4, picture_of_no_kind),
    "offsets.mp4": (H264, offsets_of_too_many),
    "mdhd.mp4": (MPEG4, no_media_header),
    "pes.ts": (MPEG2, no_start),
    "mark.ts": (MPEG2, unmarked),
    "first.mpg": (MPEG2, first_frame_spoilt),
    "tail.wmv": (WMV, last_packets_zeroed),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_the_skeleton_lost_is_said(tmp_path: Path, name: str) -> None:
    words, spoilt = SPOILT[name]
    path = encoded(tmp_path / name, *words)
    assert read(path, strict=True) == (FRAMES, (), 0)
    spoilt(path)
    count, notes, lost = read(path)
    assert any(note.startswith("damaged: ") for note in notes), (count, notes, lost)
    assert count < FRAMES or name in {"mark.ts", "stco.mp4", "stts.mov"}
    with pytest.raises(InputError, match="damaged"):
        read(path, strict=True)


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mov", "a.ts", "a.m2ts", "a.wmv", "a.mkv", "a.mpg"])
def test_a_sound_file_with_sound_has_a_sound_skeleton(tmp_path: Path, name: str) -> None:
    structure = structure_of(encoded(tmp_path / name, *SOUND, *MPEG4))
    assert (structure.whole, structure.complete, structure.closed, structure.listed) == (
        True,
        True,
        True,
        None,
    )


def test_pieces_and_edits_of_an_mp4_are_no_damage(tmp_path: Path) -> None:
    pieces = encoded(tmp_path / "a.mp4", *H264, "-movflags", "frag_keyframe+empty_moov")
    assert read(pieces, strict=True) == (FRAMES, (), 0)
    whole = encoded(tmp_path / "b.mp4", *H264)
    cut = encoded(tmp_path / "c.mp4", "-c", "copy", scene=("-ss", "0.6", "-i", str(whole)))  # by an edit list
    count, notes, lost = read(cut, strict=True)
    assert 10 <= count < FRAMES and not notes and not lost


def test_an_avi_written_to_a_pipe_is_no_damage(tmp_path: Path) -> None:
    """Its lengths are all zero."""
    path = encoded(tmp_path / "a.avi", *MPEG4)
    data = path.read_bytes()
    spoil(path, 4, bytes(4))
    spoil(path, data.index(b"movi") - 4, bytes(4))
    assert structure_of(path).whole
    assert structure_of(path).frames == FRAMES


def wild(path: Path, frame: int, seconds: int, words: tuple[str, ...] = H264) -> Path:
    """A file in which one packet's time is many seconds off."""
    whole = encoded(path.with_name("whole.mp4"), *words)
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.stream = stream
                if number == frame:
                    assert packet.pts is not None
                    packet.pts += int(seconds / packet.time_base)
                target.mux(packet)
    return path


@pytest.mark.parametrize("words", [H264, ("-c:v", "libx264", "-bf", "0"), ("-c:v", "mjpeg")])
@pytest.mark.parametrize("frame", [3, 14, 20])
def test_a_wild_time_is_not_believed(tmp_path: Path, frame: int, words: tuple[str, ...]) -> None:
    path = wild(tmp_path / "a.mp4", frame, 500, words)
    data = path.read_bytes()  # as a damaged table would have it, the header still knows how long it lasts
    for box in (b"mdhd", b"mvhd"):
        at = data.index(box)
        unit = int.from_bytes(data[at + 16 : at + 20], "big")
        spoil(path, at + 20, round(1.2 * unit).to_bytes(4, "big"))
    with open_video(path) as reader:
        clips = list(reader.clips(8))
        times = [time for clip in clips for time in clip.pts]
        assert any("make no sense" in note for note in reader.notes)
    assert len(times) == FRAMES
    assert max(after - before for before, after in pairwise(times)) <= Fraction(2, 25)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_frame_before_a_key_frame_is_shown_before_it(tmp_path: Path, suffix: str) -> None:
    path = wild(tmp_path / f"a{suffix}", 3, 20)  # the header agrees
    with open_video(path) as reader:
        times = [time for clip in reader.clips(8) for time in clip.pts]
        assert any("make no sense" in note for note in reader.notes)
    assert len(times) == FRAMES
    assert max(after - before for before, after in pairwise(times)) <= Fraction(3, 25)


def test_a_time_far_ahead_is_believed_where_the_header_agrees() -> None:
    held = [Stamp(time, None) for time in (0, 40, 80, 120, 9000)]
    assert times_of_frames(held, 40, 9100) == [0, 40, 80, 120, 9000]
    assert times_of_frames(held, 40) == [0, 40, 80, 120, 9000]
    tamed = times_of_frames(held, 40, 1000)
    assert tamed == [0, 40, 80, 120, 160]
    assert astray(held, tamed, 1000) == 1
    late = [Stamp(time, None) for time in (0, 40, 9000, 9040, 9080)]
    assert times_of_frames(late, 40, 1000) == [0, 40, 80, 120, 160]
