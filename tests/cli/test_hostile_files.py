"""Whole runs over bad files: the network is left alone, a night's work goes on, no source is forgotten."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenivid.cli import main
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams


def _status(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def _video(path: Path, size: tuple[int, int] = (32, 32), count: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    form = "matroska" if path.suffix == ".mkv" else "mp4"
    with path.open("wb") as file, av.open(file, "w", format=form) as container:
        stream = container.add_stream("ffv1" if form == "matroska" else "mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "bgr0" if form == "matroska" else "yuv420p"
        for index in range(count):
            picture = np.full((size[1], size[0], 3), 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path


def _frames(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        _, data = cv2.imencode(".png", np.full((16, 16, 3), 90, np.uint8))
        (folder / name).write_bytes(data.tobytes())
    return folder


class Listener:
    """Counts whoever connects to a port of the loopback interface."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self.visits = 0
        self._over = False
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        while not self._over:
            try:
                visitor, _ = self._socket.accept()
            except TimeoutError:
                continue
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


SCHEMES = [
    "http", "https", "ftp", "tcp", "tls", "rtmp", "rtmpt", "rtsp", "rtp", "udp", "srtp", "gopher", "gophers",
    "mmsh", "mmst", "icecast", "hls", "unix", "ipfs", "dtls",
]  # fmt: skip
WRAPPERS = ["concat:", "subfile,,start,0,end,0,,:", "cache:", "async:", "crypto:", "concatf:"]


def _playlists(address: str, neighbour: Path) -> dict[str, bytes]:
    """Files that refer to an address or to a neighbour, by name."""
    mpd = (
        f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="a" bandwidth="1"><BaseURL>{address}</BaseURL><SegmentList><SegmentURL '
        f'media="{address}"/></SegmentList></Representation></AdaptationSet></Period></MPD>'
    )
    m3u8 = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"
    texts = {
        "hls": m3u8,
        "hls-key": m3u8.replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{address}"\n#EXTINF'),
        "hls-local": m3u8.replace(address, str(neighbour)),
        "hls-master": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{address}\n",
        "hls-concat": m3u8.replace(address, f"concat:{address}|{neighbour}"),
        "ffconcat": f"ffconcat version 1.0\nfile {address}\n",
        "ffconcat-local": f"ffconcat version 1.0\nfile '{neighbour}'\n",
        "ffconcat-self": "ffconcat version 1.0\nfile 'ffconcat-self.mp4'\n",
        "dash": mpd,
        "dash-xml": '<?xml version="1.0"?>' + mpd,
        "sdp": f"v=0\ns=x\nc=IN IP4 127.0.0.1\nm=video {address.split(':')[-1]} RTP/AVP 96\n",
        "imf": f"<CompositionPlaylist>{address}</CompositionPlaylist>",
        "asx": f'<asx version="3.0"><entry><ref href="{address}"/></entry></asx>',
        "pls": f"[playlist]\nFile1={address}\nNumberOfEntries=1\n",
        "ram": address + "\n",
        "rtsptext": f"RTSPtext\n{address}\n",
        "reference": f"[Reference]\nRef1={address}\n",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{address}"/></svg>',
        "lavfi": f"movie={address}",
        "avs": f'DirectShowSource("{address}")',
    }
    found = {f"{name}.mp4": text.encode() for name, text in texts.items()}
    reference = struct.pack(">I4sI4sI", 0, b"rdrf", 0, b"url ", len(address) + 1) + address.encode() + b"\0"
    reference = struct.pack(">I", len(reference)) + reference[4:]
    for box in (b"rmda", b"rmra", b"moov"):
        reference = struct.pack(">I", len(reference) + 8) + box + reference
    found["reference.mov"] = struct.pack(">I4s4sI", 16, b"ftyp", b"qt  ", 0) + reference
    return found


def test_hostile_names_and_playlists_ask_nothing_of_the_network(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"//127.0.0.1:{listener.port}"
    secret = tmp_path / "secret.txt"
    secret.write_text("secret " * 50)
    names = [f"{scheme}:{address}/a.mp4" for scheme in SCHEMES]
    names += [f"{wrapper}http:{address}/a.mp4" for wrapper in WRAPPERS]
    files = _playlists(f"http:{address}/a.mp4", secret)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert len(names) + len(files) >= 45
    for name in [*names, *files]:
        for words in (("probe", name), ("stylize", name, "out.mp4", "--style", "none")):
            assert _status(*words) == 1, words
        assert not (tmp_path / "out.mp4").exists()
    for name in names[:5]:  # as an output it is a file of that name, in a folder that isn't there, or refused
        assert _status("stylize", _video(tmp_path / "sound.mp4"), name, "--style", "none") == 1
    assert listener.visits == 0
    said = capfd.readouterr()
    assert "Traceback" not in said.err and "a fault of" not in said.err and "secret secret" not in said.err


BAD: dict[str, Callable[[Path], object]] = {
    "text.mp4": lambda path: path.write_text("not a video"),
    "empty.mkv": lambda path: path.touch(),
    "pipe.mp4": lambda path: os.mkfifo(path),
    "gone.mp4": lambda path: path.symlink_to("nowhere"),
    "list.mp4": lambda path: path.write_text("ffconcat version 1.0\nfile a0.mp4\n"),
    "cut.mp4": lambda path: path.write_bytes(_video(path).read_bytes()[:200]),
    "markup[_red].mp4": lambda path: path.write_text("[/red]"),
    "bad-frames": lambda path: (_frames(path, "1²2.png", "2.png") / "2.png").write_text("damaged"),
    "sizes": lambda path: cv2.imwrite(str(_frames(path, "1.png") / "2.png"), np.zeros((9, 9, 3), np.uint8)),
    os.fsdecode(b"no\xff.mp4"): lambda path: path.write_text("no video"),
}


def test_forty_files_of_which_ten_are_bad_give_thirty_results_and_ten_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for index in range(24):
        _video(source / f"a{index}.{'mp4' if index % 2 else 'mkv'}")
    for index in range(3):
        _frames(source / f"f{index}", "1²2.png", "9.png", "10.png")
    for name in (os.fsdecode(b"caf\xe9.mp4"), "12:30.mp4", "-x.mp4"):
        _video(source / name)
    for name, make in BAD.items():
        make(source / name)
    assert _status("batch", source, out, "--style", "none", "--as", "frames", "--json") == 1
    said = capfd.readouterr()
    found = json.loads(said.out.splitlines()[-1])
    assert (found["done"], found["skipped"], found["failed"]) == (30, 0, 10), said.err
    assert len(found["jobs"]) == 40
    assert sum(line.startswith("error: ") for line in said.err.splitlines()) == 10
    assert {Path(job["source"]).name for job in found["jobs"] if job["status"] == "failed"} == set(BAD)
    assert "Traceback" not in said.err and "a fault of" not in said.err
    assert len(list(out.glob("*.mp4"))) + len(list(out.glob("*.mkv"))) == 27
    assert not [path for path in out.rglob("*") if path.name.endswith((".part", ".lock"))]


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 1), (3, 3), (16, 2)])
def test_the_smallest_videos_are_stylized_or_refused_in_one_line(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path))
    tiny = LiteParams(widths=(16, 16, 16), encode_blocks=(0, 0), middle_dilations=(1,), decode_blocks=(0, 0))
    save_checkpoint(
        tmp_path / "models" / "x.safetensors", Lite(tiny), ModelCard("x", "lite", dataclasses.asdict(tiny))
    )
    source = _video(tmp_path / "in.mkv", size)
    for number, more in enumerate((("--style", "none"), ("--style", "x"), ("--style", "x", "--tile", "64"))):
        status = _status("stylize", source, tmp_path / f"{number}.mkv", "--codec", "ffv1", *more)
        said = capfd.readouterr().err
        assert "Traceback" not in said and "a fault of" not in said, said
        assert status == 0 or said.startswith("error: ")


def test_a_second_picture_of_unknown_codec_is_left_out_with_a_note(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.flv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("flv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    body = b"\x1f" + bytes(20)  # a key frame of codec 15, which is none
    tag = b"\x09" + struct.pack(">I", len(body))[1:] + b"\x00\x00\x50\x00" + bytes(3) + body
    path.write_bytes(path.read_bytes() + tag + struct.pack(">I", len(tag)))
    assert _status("stylize", path, tmp_path / "out.mp4", "--style", "none") == 0
    assert "1 other video track (unknown) left out" in capfd.readouterr().err


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_an_animated_gif_under_a_false_name_keeps_its_frames(
    suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with av.open(str(tmp_path / "a.gif"), "w") as file:
        stream = file.add_stream("gif", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb8"
        for index in range(5):
            picture = np.full((32, 32, 3), 40 * index, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode())
    source = (tmp_path / "a.gif").rename(tmp_path / f"a{suffix}")
    assert _status("stylize", source, tmp_path / "out.mp4", "--style", "none", "--json") == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["frames"] == 5


def test_an_index_that_lists_fewer_frames_than_the_track_lasts_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = _video(tmp_path / "in.mp4", count=6)
    data = bytearray(path.read_bytes())
    place = data.index(b"stsc") + 12  # the first run of chunks: chunk, frames in it, description
    assert struct.unpack_from(">II", data, place) == (1, 6)
    struct.pack_into(">I", data, place + 4, 2)
    path.write_bytes(data)
    assert _status("stylize", path, tmp_path / "out.mp4", "--style", "none", "--json") == 0
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert said["frames"] == 2 and said["frames_lost"] == 4
    assert any("2 of the 6 frames announced" in note for note in said["notes"])
