"""What can't be read: one clear line, no noise on stderr, no thread left."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import make_clips
import pytest
from shelf import Shelf

from scenivid.errors import ConfigError, InputError
from scenivid.video.open import open_video, probe


def read_all(path: Path, decoder: str = "auto") -> int:
    with open_video(path, decoder) as reader:
        return sum(len(clip) for clip in reader.clips(4))


def words(path: Path) -> Path:
    path.write_text("This is no video.\n" * 20)
    return path


def nothing(path: Path) -> Path:
    path.touch()
    return path


def empty_folder(path: Path) -> Path:
    path.mkdir()
    (path / "notes.txt").touch()
    return path


def made(maker: Callable[..., make_clips.Made], **arguments: object) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        return maker(path, **arguments).path

    return make


@pytest.mark.parametrize("decoder", ["auto", "decord", "pyav"])
@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("missing.mp4", lambda path: path, "no such file"),
        ("words.mp4", words, "not a video file"),
        ("empty.mp4", nothing, "an empty file"),
        ("folder", empty_folder, "no frames in it"),
        ("sound.wav", make_clips.sound_only, r"no video stream in it \(only audio\)"),
        ("none.mkv", made(make_clips.no_frames), "holds no frames"),
        ("none.mp4", made(make_clips.no_frames), "no video stream|holds no frames"),
        ("half.mp4", make_clips.without_index, "its index .* is missing"),
        (
            "cut.mp4",
            made(make_clips.truncated),
            r"data end after \d+ of the 40 frames announced; add --duration",
        ),
        ("cut.mkv", made(make_clips.truncated), r"data end after \d+ frames; add --duration"),
    ],
)
def test_an_unreadable_source_is_refused_when_it_is_opened(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    decoder: str,
    name: str,
    make: Callable[[Path], Path],
    message: str,
) -> None:
    path = make(tmp_path / name)
    capfd.readouterr()
    with pytest.raises(InputError, match=message) as caught:
        open_video(path, decoder)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("decoder", ["auto", "pyav"])
def test_what_there_is_of_an_incomplete_file_can_be_asked_for(
    shelf: Shelf, suffix: str, decoder: str
) -> None:
    path = shelf.take(make_clips.truncated, suffix).path
    with pytest.raises(InputError) as caught:
        open_video(path, decoder)
    advised = Fraction(str(caught.value).partition("--duration ")[2].split()[0])
    count = int(str(caught.value).partition("after ")[2].split()[0])
    with open_video(path, decoder, duration=advised) as reader:
        assert sum(len(clip) for clip in reader.clips(4)) == count


@pytest.mark.parametrize("decoder", ["auto", "pyav"])
def test_a_damaged_file_names_the_first_bad_frame(
    shelf: Shelf, capfd: pytest.CaptureFixture[str], decoder: str
) -> None:
    path = shelf.take(make_clips.damaged).path
    with pytest.raises(InputError, match=r"frame 7 of 12 \(at 0.240 s\).*add --duration 0.240"):
        read_all(path, decoder)
    with open_video(path, decoder, duration=Fraction("0.240")) as reader:
        assert sum(len(clip) for clip in reader.clips(4)) == 6
    assert capfd.readouterr().err == ""


def test_decord_makes_no_frame_up(shelf: Shelf, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="decord can't decode"):
        read_all(shelf.take(make_clips.damaged).path, "decord")
    assert capfd.readouterr().err == ""


def test_an_unknown_decoder_is_refused(shelf: Shelf) -> None:
    with pytest.raises(ConfigError, match="auto, decord, pyav"):
        open_video(shelf.take(make_clips.plain).path, "ffmpeg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_named(tmp_path: Path) -> None:
    path = make_clips.plain(tmp_path / "secret.mp4").path
    path.chmod(0)
    with pytest.raises(InputError, match="no permission"):
        open_video(path)


def test_permission_is_told_from_absence(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("scenivid.video.container.av.open", refuse)
    with pytest.raises(InputError, match="no permission to read it"):
        open_video(shelf.take(make_clips.plain).path)


def feed(fifo: Path, data: bytes) -> threading.Thread:
    def write() -> None:
        with fifo.open("wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_once_by_pyav(shelf: Shelf, tmp_path: Path) -> None:
    made = shelf.take(make_clips.variable_rate, ".mkv")
    fifo = tmp_path / "pipe.mkv"
    os.mkfifo(fifo)
    thread = feed(fifo, made.path.read_bytes())
    with open_video(fifo) as reader:
        assert reader.decoder == "pyav (a pipe)"
        assert reader.frames is None
        clips = list(reader.clips(5))
        with pytest.raises(InputError, match="only once"):
            next(reader.clips(5))
    thread.join()
    assert tuple(time for clip in clips for time in clip.pts) == made.pts
    with pytest.raises(InputError, match="only by --decoder pyav"):
        open_video(fifo, "decord")
    with pytest.raises(InputError, match="without using it up"):
        probe(fifo)


def test_the_standard_input_is_a_pipe_too(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shelf.take(make_clips.variable_rate, ".mkv")
    with made.path.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": file}))
        assert read_all(Path("-")) == len(made.pts)


@pytest.mark.parametrize("suffix", [".h264"])
def test_a_stream_without_times_is_read_at_its_rate(shelf: Shelf, suffix: str) -> None:
    made = shelf.take(make_clips.write_clip, suffix, matrix=1)
    with open_video(made.path) as reader:
        assert reader.decoder == "pyav (auto)"
        times = [time for clip in reader.clips(5) for time in clip.pts]
    assert [time - times[0] for time in times] == list(made.pts)


@pytest.mark.parametrize("decoder", ["auto", "pyav"])
def test_a_recording_that_begins_inside_a_group_begins_with_its_first_key_frame(
    shelf: Shelf, tmp_path: Path, decoder: str
) -> None:
    options = {"g": "6", "bf": "2", "x264-params": "scenecut=0"}
    made = shelf.take(make_clips.write_clip, ".ts", options=options, ticks=tuple(range(20)), matrix=1)
    with av.open(str(made.path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    path = tmp_path / "cut.ts"
    path.write_bytes(made.path.read_bytes()[: 188 * 3] + made.path.read_bytes()[places[2] :])
    with open_video(path, decoder) as reader:
        clips = list(reader.clips(5))
        assert reader.frames == 14
    frames = [frame for clip in clips for frame in clip.pixels]
    assert [make_clips.index_of(frame.numpy()) for frame in frames] == [index % 14 for index in range(6, 20)]


@pytest.mark.parametrize("decoder", ["auto", "pyav"])
def test_a_change_of_size_is_scaled_to_the_first_with_a_note(tmp_path: Path, decoder: str) -> None:
    first = make_clips.write_clip(tmp_path / "first.ts", matrix=1)
    second = make_clips.write_clip(tmp_path / "second.ts", size=(128, 64), ticks=range(12, 24), matrix=1)
    path = tmp_path / "both.ts"
    path.write_bytes(first.path.read_bytes() + second.path.read_bytes())
    with open_video(path, decoder) as reader:
        frames = [frame for clip in reader.clips(4) for frame in clip.pixels]
        notes = reader.notes
    assert [make_clips.index_of(frame.numpy()) for frame in frames] == [*range(12), *range(12)]
    assert all(frame.shape == (3, 64, 112) for frame in frames)
    assert notes == ("the picture size changes from 112x64 to 128x64 at 0.480 s: scaled to the first",)
