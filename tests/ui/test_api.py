"""The HTTP API, without a browser and without Gradio."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the window is an extra: pip install 'scenivid[ui]'")

import anyio
from fastapi.testclient import TestClient
from PIL import Image
from pretended_children import Pretended, wait_until
from small_runs import make_clip
from starlette.types import Message

from scenivid.ui.server import ServerSettings, build_app
from scenivid.ui.sources import Source, Sources
from scenivid.ui.studio import Studio


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    """A program that uses the API."""
    with _client(studio) as client:
        yield client


def _client(studio: Studio, multi_user: bool = False, host: str = "127.0.0.1") -> TestClient:
    app = build_app(studio, ServerSettings(host, multi_user=multi_user), with_page=False)
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


@pytest.fixture
def upload(client: TestClient, clip: Path) -> str:
    """A clip that was brought."""
    answer = client.put("/api/uploads/in.mkv", content=clip.read_bytes())
    assert answer.status_code == 201
    assert (answer.json()["width"], answer.json()["title"], answer.json()["still"]) == (96, "in.mkv", False)
    return str(answer.json()["name"])


def test_submit_status_result(client: TestClient, upload: str) -> None:
    sent = client.post("/api/jobs", json={"source": upload, "style": "cel", "ink": 0.5})
    assert sent.status_code == 201
    job = f"/api/jobs/{sent.json()['id']}"
    wait_until(lambda: client.get(job).json()["state"] == "done")
    status = client.get(job).json()
    assert status["command"] == (
        "scenivid stylize in.mkv in-cel.mp4 --style cel --strength 1 --ink 0.5 --consistency 0.7 --paint auto"
    )
    assert [found["id"] for found in client.get("/api/jobs").json()] == [status["id"]]
    result = client.get(status["result"])
    assert result.content.startswith(b"made of ")
    assert result.headers["content-disposition"] == 'attachment; filename="in-cel.mp4"'
    assert client.get(status["result"], headers={"Range": "bytes=0-3"}).content == b"made"
    assert client.delete(job).status_code == 204
    assert client.get(job).status_code == 404


def test_cancel_and_resume(client: TestClient, upload: str, children: Pretended) -> None:
    children.go.clear()
    job = f"/api/jobs/{client.post('/api/jobs', json={'source': upload}).json()['id']}"
    children.wait_for(1)
    wait_until(lambda: client.get(job).json()["progress"] is not None)
    assert client.get(f"{job}/result").status_code == 422
    assert client.delete(job).status_code == 422
    assert client.post(f"{job}/cancel").status_code == 200
    wait_until(lambda: client.get(job).json()["state"] == "stopped")
    children.go.set()
    assert client.post(f"{job}/resume").json()["state"] in ("queued", "running", "done")
    wait_until(lambda: client.get(job).json()["state"] == "done")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "name a source"), ({"source": 3}, "name a source"), ({"source": "upload:x"}, "upload it first"),
        ({"source": "/etc/passwd"}, "no such file below"), ({"source": "in.mkv", "strength": 2}, "strength"),
        ({"source": "in.mkv", "style": "/x.onnx"}, "no style"), ({"source": "in.mkv", "typo": 1}, "typo"),
        ([1], "object"), ({"source": "x" * 70000}, "more JSON"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_wrong_request_is_answered_in_one_line(client: TestClient, values: object, says: str) -> None:
    answer = client.post("/api/jobs", json=values)
    assert answer.status_code in (404, 422)
    assert says in answer.json()["error"] and "\n" not in answer.json()["error"]


def test_a_body_that_is_no_json_is_said_so(client: TestClient) -> None:
    assert "no JSON" in client.post("/api/jobs", content=b"{").json()["error"]


def test_a_text_file_named_mp4_is_refused_and_not_kept(client: TestClient, studio: Studio) -> None:
    answer = client.put("/api/uploads/notes.mp4", content=b"This is a text file.")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("notes.mp4: not a video file")
    assert not list(studio.place.uploads("me").iterdir())


@pytest.mark.parametrize("name", ["..%2F..%2F..%2Fevil.mkv", "%2Fetc%2Fevil.mkv", "a%2F..%2Fevil.mkv"])
def test_no_upload_leaves_its_folder(client: TestClient, studio: Studio, clip: Path, name: str) -> None:
    answer = client.put(f"/api/uploads/{name}", content=clip.read_bytes())
    assert answer.status_code == 201 and answer.json()["title"] == "evil.mkv"
    files = [path for path in studio.place.home.rglob("*") if path.is_file()]
    assert [path.parent.parent for path in files] == [studio.place.uploads("me")]


@pytest.mark.parametrize(
    "address",
    ["/api/jobs/..%2F..%2Fx/result", "/api/jobs/0/views/..%2F..%2Fjob.json", "/api/stills/x/before",
     "/api/previews/..%2F/source", "/api/sources?source=%2Fetc%2Fpasswd", "/api/sources?source=..%2F..%2Fx"],
)  # fmt: skip
def test_no_address_reaches_other_files(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [("GET", "/api/nothing", 404), ("GET", "/api/jobs/..%2F..%2Fx", 404), ("DELETE", "/api/styles", 404),
     ("GET", "/api/sources", 422), ("POST", "/api/jobs", 422)],
)  # fmt: skip
def test_whatever_goes_wrong_is_one_line(client: TestClient, method: str, address: str, status: int) -> None:
    answer = client.request(method, address)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"] and "\n" not in answer.json()["error"]


def test_an_upload_never_lies_in_memory_as_a_whole(studio: Studio) -> None:
    size, block = 96 * 2**20, b"\0" * 2**16
    written: list[int] = []
    answered: list[int] = []

    def finished(user: str, name: str, part: Path) -> Source:
        written.append(part.stat().st_size)
        return Sources.finish_upload(studio.sources, user, name, part)

    object.__setattr__(studio.sources, "finish_upload", finished)
    app = build_app(studio, ServerSettings(), with_page=False)
    left = size

    async def receive() -> Message:
        nonlocal left
        left -= len(block)
        return {"type": "http.request", "body": block, "more_body": left > 0}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    scope = {"type": "http", "method": "PUT", "path": "/api/uploads/big.mp4", "query_string": b"",
             "headers": [(b"host", b"localhost")]}  # fmt: skip
    tracemalloc.start()
    anyio.run(app, scope, receive, send)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answered, written) == ([422], [size])
    assert peak < size / 10


def test_an_upload_that_has_no_room_is_refused_before_it_begins(client: TestClient) -> None:
    answer = client.put("/api/uploads/big.mp4", content=b"", headers={"Content-Length": str(10**16)})
    assert answer.status_code == 507 and "no room" in answer.json()["error"]


def test_users_see_their_own_files_only(studio: Studio, clip: Path) -> None:
    one = {"Authorization": "Bearer the-first-ones-secret"}
    other = {"Authorization": "Bearer the-other-ones-secret"}
    with _client(studio, multi_user=True) as client:
        assert client.get("/api/jobs").status_code == 401
        assert client.get("/api/jobs", headers={"Authorization": "Bearer short"}).status_code == 401
        source = client.put("/api/uploads/in.mkv", content=clip.read_bytes(), headers=one).json()["name"]
        job = client.post("/api/jobs", json={"source": source}, headers=one).json()["id"]
        wait_until(lambda: client.get(f"/api/jobs/{job}", headers=one).json()["state"] == "done")
        assert client.get("/api/jobs", headers=other).json() == []
        for address in (f"/api/jobs/{job}", f"/api/jobs/{job}/result", f"/api/sources?source={source}"):
            assert client.get(address, headers=one).status_code == 200
            assert client.get(address, headers=other).status_code == 404
        assert client.post("/api/jobs", json={"source": source}, headers=other).status_code == 404
        assert client.post(f"/api/jobs/{job}/cancel", headers=other).status_code == 404
        assert client.delete(f"/api/jobs/{job}", headers=other).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200), ({"Origin": "http://127.0.0.1:7860"}, 200), ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Host": "evil.example"}, 403),
        ({"Host": "localhost:7860", "Origin": "http://localhost:7860"}, 200),
    ],
    ids=str,
)  # fmt: skip
def test_another_page_cant_use_the_server(
    client: TestClient, upload: str, headers: dict[str, str], status: int
) -> None:
    body = {"source": upload, "at": 0, "style": "none"}
    assert client.post("/api/stills", json=body, headers=headers).status_code == status


def test_gradios_own_ways_to_files_are_shut(client: TestClient) -> None:
    for address in ("/gradio_api/file=/etc/passwd", "/gradio_api/upload_progress", "/gradio_api/proxy=x"):
        assert client.get(address).status_code == 403
    assert client.post("/gradio_api/upload").status_code == 403


def test_a_still_is_the_frame_at_that_second(client: TestClient, studio: Studio) -> None:
    make_clip(studio.sources.folders[0] / "in.mkv")
    body = {"source": "in.mkv", "at": 0.3, "style": "none"}
    before = client.post("/api/stills", json=body | {"before": True})
    after = client.post("/api/stills", json=body)
    first = client.post("/api/stills", json=body | {"at": 0})
    beyond = client.post("/api/stills", json=body | {"at": 99})
    assert {answer.status_code for answer in (before, after, first, beyond)} == {200}
    assert Image.open(io.BytesIO(before.content)).size == (96, 64)
    assert before.content == after.content != first.content
    assert beyond.headers["content-type"] == "image/jpeg"
    thumbnail = client.post("/api/stills", json=body | {"style": "aozora", "thumbnail": True})
    assert thumbnail.status_code == 200 and thumbnail.content != before.content


def test_a_job_of_a_picture_is_a_picture(client: TestClient, studio: Studio) -> None:
    Image.new("RGB", (64, 48), "teal").save(studio.sources.folders[0] / "a.png")
    assert client.get("/api/sources?source=a.png").json()["still"] is True
    job = client.post("/api/jobs", json={"source": "a.png"}).json()
    assert job["result_name"] == "a-aozora.png"
    assert client.post("/api/previews", json={"source": "a.png"}).status_code == 422
    wait_until(lambda: client.get(f"/api/jobs/{job['id']}").json()["state"] == "done")
    assert client.post(f"/api/jobs/{job['id']}/flicker").status_code == 422


def test_a_new_moving_preview_stops_the_one_before(
    client: TestClient, upload: str, children: Pretended
) -> None:
    children.go.clear()
    first = client.post("/api/previews", json={"source": upload, "at": 0}).json()
    children.wait_for(1)
    again = client.post("/api/previews", json={"source": upload, "at": 0}).json()
    other = client.post("/api/previews", json={"source": upload, "at": 0.2}).json()
    assert first["id"] == again["id"] != other["id"]
    wait_until(lambda: client.get(f"/api/previews/{first['id']}").json()["state"] == "stopped")
    assert client.get(f"/api/previews/{first['id']}/with").status_code == 404
    children.go.set()
    wait_until(lambda: client.get(f"/api/previews/{other['id']}").json()["state"] == "done")
