"""Names and contents that mean something to FFmpeg mean nothing to us: a file is opened, no other one."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import make_clips
import pytest
from identity import copy
from shelf import Shelf

from scenivid.errors import InputError
from scenivid.video import container
from scenivid.video.open import open_video, probe

NAMES = [
    "12:30.mp4",
    "-clip.mp4",
    "concat:clip.mp4",
    "subfile,,start,0,end,9,,:clip.mp4",
    "a%04d.mp4",
    "[red].mp4",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("decoder", ["auto", "pyav", "decord"])
@pytest.mark.parametrize("name", NAMES)
def test_a_special_name_is_read_like_any_other(shelf: Shelf, here: Path, name: str, decoder: str) -> None:
    Path(name).write_bytes(shelf.take(make_clips.plain).path.read_bytes())
    with open_video(Path(name), decoder) as reader:
        assert sum(map(len, reader.clips(5))) == make_clips.FRAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_special_name_is_written_like_any_other(shelf: Shelf, here: Path, name: str) -> None:
    copy(shelf.take(make_clips.plain).path, Path(name))
    assert [path.name for path in here.iterdir()] == [name]


def test_a_name_that_is_no_utf_8_is_read(shelf: Shelf, here: Path) -> None:
    path = Path(os.fsdecode(b"caf\xe9.mp4"))
    path.write_bytes(shelf.take(make_clips.plain).path.read_bytes())
    with open_video(path) as reader:
        assert sum(map(len, reader.clips(5))) == make_clips.FRAMES


def playlists(folder: Path, port: int) -> dict[str, str]:
    """Files that hold no media but say where some is."""
    clip = folder / "clip.mp4"
    return {
        "notes.mp4": "ffconcat version 1.0\nfile notes.txt\n",
        "script.mkv": f"ffconcat version 1.0\nfile {clip}\n",
        "itself.mp4": "ffconcat version 1.0\nfile itself.mp4\n",
        "fifo.mp4": "ffconcat version 1.0\nfile pipe\n",
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "hls.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "remote.m3u8": f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
        "remote.mp4": f"ffconcat version 1.0\nfile http://127.0.0.1:{port}/a.mp4\n",
        "manifest.mpd": f'<?xml version="1.0"?><MPD type="static"><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>',
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\n",
        "picture.svg": f'<svg><image href="http://127.0.0.1:{port}/"/></svg>',
        "pictures.mp4": "tiles/%04d.png",
    }


def test_a_playlist_is_no_video_and_nothing_it_names_is_touched(shelf: Shelf, here: Path) -> None:
    (here / "clip.mp4").write_bytes(shelf.take(make_clips.plain).path.read_bytes())
    (here / "notes.txt").write_text("private\n" * 100)
    os.mkfifo(here / "pipe")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        for name, text in playlists(here, listener.getsockname()[1]).items():
            (here / name).write_text(text)
            for decoder in ("auto", "pyav", "decord"):
                with pytest.raises(InputError):
                    open_video(here / name, decoder)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_pipe_into_which_nobody_writes_is_given_up(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "PATIENCE", 0.05)
    os.mkfifo(here / "x.mp4")
    with pytest.raises(InputError, match="nobody has written"):
        open_video(here / "x.mp4")
    with pytest.raises(InputError, match="can't be looked at"):
        probe(here / "x.mp4")


def test_a_pipe_into_which_somebody_writes_is_read(shelf: Shelf, here: Path) -> None:
    data = shelf.take(make_clips.plain, ".mkv").path.read_bytes()
    os.mkfifo(here / "x.mkv")
    writer = threading.Thread(target=(here / "x.mkv").write_bytes, args=(data,), daemon=True)
    writer.start()
    with open_video(here / "x.mkv") as reader:
        assert sum(map(len, reader.clips(5))) == make_clips.FRAMES
    writer.join()


def test_a_pattern_of_frames_is_no_file(here: Path) -> None:
    with pytest.raises(InputError, match="no such file; of numbered frames, give the folder"):
        open_video(Path("frames/%04d.png"))
