"""A live stream: from a file, an address or a camera to a page, never falling behind."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from small_runs import FRAMES, read
from torch import Tensor

from scenivid.cli import main
from scenivid.engine import StylizeSettings
from scenivid.errors import InputError, OutputError
from scenivid.live import sources
from scenivid.live.newest import Newest
from scenivid.live.server import LiveServer
from scenivid.live.sources import Shot, shots, shown
from scenivid.live.watch import LiveSettings, Status, watch
from scenivid.nets.checkpoint import ModelCard

SETTINGS = StylizeSettings(style="none", device="cpu")
STATUS = Status(15.0, 20.0, 96, 64, 1, 0)


class Screen:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[bytes, Status]] = []

    def show(self, jpeg: bytes, status: Status) -> None:
        self.shown.append((jpeg, status))


class Slow:
    """A style that takes its time."""

    card = ModelCard(name="slow", architecture="lite")
    multiple, radius, bytes_per_pixel, strength, paint_size, ink = 1, 0, 1.0, 1.0, None, None

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: None, tile: int | None
    ) -> tuple[Tensor, None]:
        threading.Event().wait(0.1)
        return image, None


def grey(level: int) -> np.ndarray[Any, Any]:
    return np.full((8, 8, 3), level, np.uint8)


def test_who_is_slow_gets_the_newest_frame_and_knows_what_was_missed() -> None:
    all_came = threading.Event()

    def stream() -> Generator[Shot, None, None]:
        for level in range(5):
            yield Shot(grey(level), None)
        all_came.set()

    with Newest(stream) as newest:
        all_came.wait(10)
        frame = newest.take(10)
        assert frame is not None and frame.pixels[0, 0, 0] == 4 and newest.dropped == 4
        assert newest.take(10) is None


def test_frames_of_a_file_come_when_they_are_due() -> None:
    def stream() -> Generator[Shot, None, None]:
        for number in range(4):
            yield Shot(grey(number), Fraction(number, 20))

    with Newest(stream) as newest:
        came = []
        while (frame := newest.take(10)) is not None:
            came.append(frame.at)
    gaps = np.diff(came)
    assert (gaps >= 0.049).all()


def test_an_error_of_the_stream_reaches_who_takes_and_silence_is_noticed() -> None:
    def broken() -> Generator[Shot, None, None]:
        yield Shot(grey(1), None)
        raise InputError("the cable is out")

    with Newest(broken) as newest, pytest.raises(InputError, match="cable"):
        while newest.take(10) is not None:
            pass
    ends = threading.Event()

    def silent() -> Generator[Shot, None, None]:
        ends.wait(10)
        yield Shot(grey(1), None)

    with Newest(silent) as newest:
        with pytest.raises(TimeoutError):
            newest.take(0.05)
        ends.set()


def test_a_file_is_shown_at_its_pace_and_ends(clip: Path) -> None:
    screen, told = Screen(), []
    status = watch(str(clip), SETTINGS, LiveSettings(), screen, told.append)
    assert status.shown == len(screen.shown) and status.shown + status.dropped <= FRAMES
    assert status.size == "96x64" and status.delay_ms < 2000
    picture = cv2.imdecode(np.frombuffer(screen.shown[-1][0], np.uint8), cv2.IMREAD_COLOR)
    pixels, _ = read(clip)
    last = pixels[-1].permute(1, 2, 0).numpy()
    assert picture.shape == (64, 96, 3)
    assert np.abs(picture[..., ::-1].astype(int) - last).mean() < 12


def test_a_slow_style_drops_frames_and_never_falls_behind(clip: Path) -> None:
    screen = Screen()
    live = LiveSettings(side=64, loop=True, duration_s=2.0)
    status = watch(str(clip), StylizeSettings(device="cpu", flow="none"), live, screen, stylizer=Slow())
    assert status.dropped > status.shown  # 25 frames a second came, fewer than 10 went
    delays = [status.delay_ms for _, status in screen.shown]
    assert delays[-1] < 2 * 1000 / max(status.fps, 0.5) + 500, "one frame waits, one is worked on"


def test_a_size_is_kept_where_it_is_asked_for(clip: Path) -> None:
    screen = Screen()
    watch(str(clip), SETTINGS, LiveSettings(side=32), screen)
    assert {status.size for _, status in screen.shown} == {"48x32"}


@pytest.fixture
def site(clip: Path) -> Iterator[str]:
    """The clip's folder on the web."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(clip.parent)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_address_gives_the_frames_of_the_file_behind_it(site: str, clip: Path) -> None:
    came = list(shots(f"{site}/in.mkv"))
    pixels, times = read(clip)
    assert [shot.due for shot in came] == [time - times[0] for time in times]
    assert all(
        (shot.pixels == frame.permute(1, 2, 0).numpy()).all()
        for shot, frame in zip(came, pixels, strict=True)
    )
    with pytest.raises(InputError, match="can't be opened"):
        list(shots(f"{site}/nothing.mkv"))


@pytest.mark.parametrize(
    "address", ["file:///etc/hostname", "ftp://example.org/a.mp4", "concat://a", "data://x"]
)
def test_no_other_kind_of_address_is_opened(address: str) -> None:
    with pytest.raises(InputError, match="only http, https, rtsp"):
        shots(address)


def test_a_playlist_on_the_web_can_not_name_files_of_this_machine(site: str, clip: Path) -> None:
    (clip.parent / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{clip}\n#EXT-X-ENDLIST\n")
    (clip.parent / "list.ffconcat").write_text(f"ffconcat version 1.0\nfile '{clip}'\n")
    for name in ("list.m3u8", "list.ffconcat"):
        with pytest.raises(InputError):
            list(shots(f"{site}/{name}"))


def test_passwords_in_addresses_are_not_told() -> None:
    assert shown("rtsp://me:secret@camera.local:554/a?b") == "rtsp://camera.local:554/a?b"
    assert shown("film.mp4") == "film.mp4" and shown("0") == "0"


def test_a_camera_gives_rgb_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        left = 3

        def __init__(self, name: int | str) -> None:
            self.name = name

        def isOpened(self) -> bool:
            return self.name == 0

        def set(self, key: int, value: float) -> bool:
            return False

        def read(self) -> tuple[bool, Any]:
            self.left -= 1
            return self.left >= 0, np.dstack([grey(10), grey(20), grey(30)])[..., [0, 3, 6]]

        def release(self) -> None: ...

    monkeypatch.setattr(sources.cv2, "VideoCapture", Camera)
    came = list(shots("0"))
    assert len(came) == 3 and came[0].due is None and came[0].pixels[0, 0].tolist() == [30, 20, 10]
    with pytest.raises(InputError, match="camera 7 can't be opened"):
        list(shots("7"))


def _get(address: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as answer:
        body: bytes = answer.read()
    return body


def _refused(address: str, **headers: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _get(address, **headers)
    with refused.value as error:
        return error.code


def test_the_page_shows_the_stream_and_how_it_is_doing() -> None:
    with LiveServer("a film", "cel") as server:
        assert b'<img src="stream"' in _get(server.address)
        assert json.loads(_get(f"{server.address}status"))["shown"] == 0
        server.show(b"\xff\xd8first", STATUS)
        with urllib.request.urlopen(f"{server.address}stream", timeout=10) as stream:
            assert stream.headers["Content-Type"].startswith("multipart/x-mixed-replace")
            assert stream.readline() == b"--frame\r\n"
            assert b"image/jpeg" in stream.readline() and b"7" in stream.readline()
            stream.readline()
            assert stream.read(9) == b"\xff\xd8first\r\n"
            server.show(b"\xff\xd8other", STATUS)
            assert stream.read(len(b"--frame\r\n")) == b"--frame\r\n"
        told = json.loads(_get(f"{server.address}status"))
        assert (told["name"], told["style"], told["width"], told["fps"]) == ("a film", "cel", 96, 15.0)


def test_nobody_sees_it_who_does_not_know_the_word_or_comes_by_another_name() -> None:
    with LiveServer("a camera", "cel") as server:
        root = server.address.rsplit("/", 2)[0]
        assert _refused(f"{root}/") == _refused(f"{root}/stream") == _refused(f"{root}/guess/stream") == 404
        assert _refused(f"{server.address}../etc/passwd") == 404
        assert _refused(server.address, Host="evil.example") == 403


def test_an_address_that_is_taken_is_one_line() -> None:
    with LiveServer("a", "b") as server:
        port = int(server.address.split(":")[2].split("/")[0])
        with pytest.raises(OutputError, match="can't listen at"):
            LiveServer("a", "b", port=port)


def test_the_command_shows_a_file_and_tells_where_and_how(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["live", str(clip), "--style", "none", "--no-open", "--json"])
    captured = capsys.readouterr()
    assert stopped.value.code == 0
    assert "shown at http://127.0.0.1:" in captured.err and "frames shown" in captured.err
    assert json.loads(captured.out)["width"] == 96


def test_what_can_not_be_opened_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["live", str(tmp_path / "nothing.mp4"), "--no-open"])
    assert stopped.value.code == 1 and "no such file" in capsys.readouterr().err
