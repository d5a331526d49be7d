"""Downloads: whole, checked and only once, whatever the server, a crash or another process does."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from scenivid.errors import CheckpointError
from scenivid.machine import locks
from scenivid.weights import published
from scenivid.weights.network import mirrored
from scenivid.weights.published import Published, fetch_published, load_published, retrieve

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """On the loopback interface; counts what it is asked for."""

    daemon_threads = True
    answer = CONTENT
    announced: int | None = None
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked += 1
        self.send_response(200)
        length = len(server.answer) if server.announced is None else server.announced
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(server.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def weights(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """A published file on that server, and an empty cache."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    published.reachable.cache_clear()
    return Published("toy", f"http://127.0.0.1:{server.server_address[1]}/toy.bin", "toy.bin", SHA256)


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    if data != CONTENT:
        raise CheckpointError(f"{path} is damaged")
    return data


def test_a_file_is_fetched_once_and_leaves_nothing_beside_it(weights: Published, server: Server) -> None:
    for _ in range(2):
        assert fetch_published(weights).read_bytes() == CONTENT
    assert server.asked == 1
    assert [path.name for path in weights.path.parent.iterdir()] == ["toy.bin"]


@pytest.mark.parametrize(
    ("answer", "announced", "says"),
    [
        (CONTENT[:-1] + b"!", None, "damaged"),
        (CONTENT[:500], len(CONTENT), "of 102400 bytes|IncompleteRead"),
        (b"", None, "0 of"),
        (CONTENT, -5, "could not be fetched|damaged|bytes"),
    ],
    ids=["another file", "cut short", "empty", "a length that is none"],
)
def test_what_is_not_the_file_is_never_kept(
    weights: Published, server: Server, answer: bytes, announced: int | None, says: str
) -> None:
    server.answer, server.announced = answer, announced
    if announced == -5:
        server.answer = b"x"
    with pytest.raises(CheckpointError, match=says):
        fetch_published(weights)
    assert list(weights.path.parent.iterdir()) == []
    server.answer, server.announced = CONTENT, None
    assert fetch_published(weights).read_bytes() == CONTENT


def test_more_than_the_largest_size_is_given_up(weights: Published, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        retrieve(weights.url, tmp_path / "x", largest=1000)
    assert not list(tmp_path.glob("*x*"))


def test_a_damaged_file_in_the_cache_is_fetched_again(weights: Published, server: Server) -> None:
    weights.path.parent.mkdir()
    weights.path.write_bytes(CONTENT[:100])
    assert load_published(weights, _read) == (weights.path, CONTENT)
    assert weights.path.read_bytes() == CONTENT and server.asked == 1


def test_a_file_as_published_that_can_not_be_loaded_is_not_fetched_again(
    weights: Published, server: Server
) -> None:
    def refuse(path: Path) -> None:
        raise CheckpointError("another network")

    with pytest.raises(CheckpointError, match="another network"):
        load_published(weights, refuse)
    assert server.asked == 1


def test_the_users_own_file_and_the_cache_offline_are_left_alone(weights: Published, server: Server) -> None:
    weights.path.parent.mkdir()
    weights.path.write_bytes(b"damaged")
    own = weights.path.with_name("own.bin")
    own.write_bytes(b"damaged")
    for words in ({"weights": own}, {"download": False}):
        with pytest.raises(CheckpointError, match="damaged"):
            load_published(weights, _read, **words)  # type: ignore[arg-type]
    assert weights.path.read_bytes() == own.read_bytes() == b"damaged" and server.asked == 0


def test_a_folder_is_fetched_file_by_file_and_only_what_is_missing(
    weights: Published, server: Server
) -> None:
    url = weights.url.replace("toy.bin", "repo")
    folder = Published("folder", url, "folder", parts=("config.json", "a.safetensors|a.bin"))
    folder.path.mkdir(parents=True)
    (folder.path / "config.json").write_bytes(b"by hand")
    assert not folder.here and fetch_published(folder) == folder.path and folder.here
    assert (folder.path / "a.safetensors").read_bytes() == CONTENT and server.asked == 1
    assert (folder.path / "config.json").read_bytes() == b"by hand"
    assert fetch_published(folder) == folder.path and server.asked == 1


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(published, "reachable", lambda host: False)
    wanted = [Published(name, f"https://nowhere/{name}", name) for name in ("one", "two")]
    with pytest.raises(CheckpointError, match=r"one.*put it at.*two.*put it at"):
        published.fetch_all(wanted)


def test_two_that_want_the_same_file_fetch_it_once(weights: Published, server: Server) -> None:
    """flock is between open files, so threads stand for processes here."""
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch_published(weights).read_bytes())) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 6 and server.asked == 1
    assert [path.name for path in weights.path.parent.iterdir()] == ["toy.bin"]


def test_a_lock_is_held_by_one_and_goes_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with locks.hold(lock) as mine, locks.hold(lock) as theirs:
        assert mine and not theirs
    assert not lock.exists()
    lock.touch()  # left by a crash
    with locks.hold(lock) as mine:
        assert mine


def test_offline_means_that_nobody_is_asked(
    weights: Published, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match=r"HF_HUB_OFFLINE is set; download .* elsewhere"):
        fetch_published(weights)
    with pytest.raises(OSError, match="HF_HUB_OFFLINE"):
        retrieve(weights.url, weights.path)
    assert not weights.path.exists()


def test_a_mirror_stands_for_the_hub_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, other = "https://huggingface.co/a/b/resolve/main/c.bin", "https://example.org/c.bin"
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert mirrored(hub) == hub
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/hf/")
    assert mirrored(hub) == "https://mirror.example/hf/a/b/resolve/main/c.bin"
    assert mirrored(other) == other
