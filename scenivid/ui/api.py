"""The HTTP API. Everything is JSON but what is brought and fetched; an error is `{"error": "one line"}`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import anyio
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from scenivid.errors import ConfigError, InputError, OutputError, ScenividError, one_line
from scenivid.ui.studio import Studio, style_cards, wanted

_SPARE = 2**28
"""Bytes of the disk that an upload leaves free."""
_MOST_JSON = 2**16
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
_STATUS: list[tuple[type[Exception], int]] = [(ConfigError, 422), (InputError, 404), (OutputError, 507)]


def add_api(app: FastAPI, studio: Studio) -> None:
    """Add the routes below /api."""
    router = APIRouter(prefix="/api")
    _uploads(router, studio)
    _jobs(router, studio)
    _previews(router, studio)

    @router.api_route("/{rest:path}", methods=_METHODS, include_in_schema=False)
    def nowhere(rest: str) -> None:
        raise InputError(f"no /api/{rest} here; /api/openapi.json lists what there is")

    app.include_router(router)
    app.add_exception_handler(ScenividError, _told)
    app.add_exception_handler(RequestValidationError, _misunderstood)


def user_of(request: Request) -> str:
    """Who asks, by the gate."""
    return str(request.state.user)


def _uploads(router: APIRouter, studio: Studio) -> None:
    @router.get("/styles", summary="Styles that are on this machine")
    def styles() -> list[dict[str, Any]]:
        return style_cards()

    @router.put("/uploads/{name:path}", status_code=201, summary="Bring a file: its bytes are the body")
    async def upload(name: str, request: Request) -> Any:
        user = user_of(request)
        length = int(request.headers.get("content-length") or 0)
        free = shutil.disk_usage(studio.place.uploads(user)).free
        if length > free - _SPARE:
            raise OutputError(f"no room for {length / 1e9:.1f} GB: {free / 1e9:.1f} GB are free")
        source, part = studio.sources.begin_upload(user, name)
        try:
            await _receive(request, part)
            found = await run_in_threadpool(studio.sources.finish_upload, user, source, part)
        except ClientDisconnect:
            studio.sources.drop_upload(part)
            return Response(status_code=499)
        except InputError as exc:
            return JSONResponse({"error": str(exc)}, 422)
        except BaseException:
            studio.sources.drop_upload(part)
            raise
        return found.as_json()

    @router.get("/sources", summary="What a source is: ?source=upload:… or a path")
    def describe(request: Request, source: str) -> dict[str, Any]:
        return studio.sources.find(user_of(request), source).as_json()


def _jobs(router: APIRouter, studio: Studio) -> None:
    queue = studio.queue

    @router.post("/jobs", status_code=201, summary="Submit: a source and dials")
    async def submit(request: Request) -> dict[str, Any]:
        own, choices = wanted(await _json(request), ("source",))
        user = user_of(request)

        def queued() -> dict[str, Any]:
            source = studio.sources.find(user, own["source"])
            return studio.shown(queue.submit(user, source, choices))

        return await run_in_threadpool(queued)

    @router.get("/jobs", summary="All jobs, newest first")
    def jobs(request: Request) -> list[dict[str, Any]]:
        return [studio.shown(job) for job in queue.all(user_of(request))]

    @router.get("/jobs/{number}", summary="Status")
    def status(number: str, request: Request) -> dict[str, Any]:
        return studio.shown(queue.get(user_of(request), number))

    @router.post("/jobs/{number}/cancel", summary="Stop; what is finished stays")
    def cancel(number: str, request: Request) -> dict[str, Any]:
        return studio.shown(queue.cancel(user_of(request), number))

    @router.post("/jobs/{number}/resume", summary="Go on where it stopped")
    def resume(number: str, request: Request) -> dict[str, Any]:
        return studio.shown(queue.resume(user_of(request), number))

    @router.delete("/jobs/{number}", status_code=204, summary="Forget it, and its result")
    def remove(number: str, request: Request) -> None:
        queue.remove(user_of(request), number)

    @router.get("/jobs/{number}/result", summary="The result, as a download")
    def result(number: str, request: Request) -> FileResponse:
        job = queue.get(user_of(request), number)
        if job.state != "done":
            raise ConfigError(f"job {job.number} is {job.state}, not done")
        return FileResponse(queue.jobs.folder(job) / job.result, filename=job.result)

    @router.post("/jobs/{number}/flicker", status_code=202, summary="Measure how much the result flickers")
    def flicker(number: str, request: Request) -> dict[str, Any]:
        return studio.of_job(user_of(request), number, "flicker").as_json()

    @router.post("/jobs/{number}/views", status_code=202, summary="Make what a browser plays")
    def make_views(number: str, request: Request) -> dict[str, Any]:
        return studio.of_job(user_of(request), number, "views").as_json()

    @router.get("/jobs/{number}/views", summary="Addresses of source and result to play side by side")
    def views(number: str, request: Request) -> dict[str, Any]:
        job = queue.get(user_of(request), number)
        return {
            name: {"url": f"/api/jobs/{job.id}/views/{name}", "offset": view["offset"]}
            for name, view in studio.views(job).items()
        }

    @router.get("/jobs/{number}/views/{which}", summary="Source or result as a browser plays it")
    def view(number: str, which: str, request: Request) -> Response:
        if which not in ("source", "result"):
            raise InputError("views are 'source' and 'result'")
        return _inline(studio.view(user_of(request), number, which))


def _previews(router: APIRouter, studio: Studio) -> None:
    @router.post("/stills", summary="A frame as it will look: JPEG; `before` for the frame as it is")
    async def still(request: Request) -> Response:
        own, choices = wanted(await _json(request), ("source", "at", "before", "thumbnail"))
        user, at = user_of(request), _seconds(own.get("at", 0))

        def made() -> bytes:
            source = studio.sources.find(user, own["source"])
            found = studio.stills.still(user, source, at, choices, bool(own.get("thumbnail")))
            return found.before if own.get("before") else found.after

        return Response(await run_in_threadpool(made), media_type="image/jpeg")

    @router.get("/stills/{token}/{which}", summary="A still that the page has asked for")
    def made(token: str, which: str, request: Request) -> Response:
        found = studio.stills.fetch(user_of(request), token)
        content = found.before if which == "before" else found.after
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    @router.post("/previews", status_code=202, summary="Begin five seconds with and without coherence")
    async def moving(request: Request) -> dict[str, Any]:
        own, choices = wanted(await _json(request), ("source", "at"))
        user, at = user_of(request), _seconds(own.get("at", 0))

        def begun() -> dict[str, Any]:
            return studio.moving(user, studio.sources.find(user, own["source"]), at, choices).as_json()

        return await run_in_threadpool(begun)

    @router.get("/previews/{number}", summary="Status of a preview, of views, of a measurement")
    def status(number: str, request: Request) -> dict[str, Any]:
        return studio.chores.get(user_of(request), number).as_json()

    @router.post("/previews/{number}/cancel", summary="Stop it")
    def cancel(number: str, request: Request) -> dict[str, Any]:
        return studio.chores.cancel(user_of(request), number).as_json()

    @router.get("/previews/{number}/{which}", summary="'source', 'with' or 'without': MP4")
    def video(number: str, which: str, request: Request) -> Response:
        chore = studio.chores.get(user_of(request), number)
        if which not in ("source", "with", "without") or (chore.kind, chore.state) != ("moving", "done"):
            raise InputError(f"this preview has no {which!r}, or not yet")
        return _inline(chore.folder / f"{which}.mp4")


async def _receive(request: Request, part: Path) -> None:
    """The body to a file, a piece at a time: it is never in memory as a whole."""
    try:
        async with await anyio.open_file(part, "wb") as file:
            async for chunk in request.stream():
                await file.write(chunk)
    except OSError as exc:
        raise OutputError(f"the file can't be kept: {exc.strerror or exc}") from exc


async def _json(request: Request) -> dict[str, Any]:
    """A small JSON object."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_JSON:
            raise ConfigError("more JSON than any request needs")
    try:
        values = json.loads(body)
    except ValueError as exc:
        raise ConfigError(f"the body is no JSON: {exc}") from exc
    if not isinstance(values, dict):
        raise ConfigError("the body must be a JSON object")
    return values


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e6:
        raise ConfigError(f"at must be seconds, got {value!r}")
    return float(value)


_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm", ".gif": "image/gif",
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
}  # fmt: skip
"""What is shown inside a page: nothing that a browser would run."""


def _inline(path: Path) -> Response:
    if not path.is_file():
        raise InputError(f"{path.name} is gone")
    kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
    return FileResponse(path, media_type=kind, headers={"Cache-Control": "private, max-age=60"})


async def _misunderstood(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    wrong = ", ".join(f"{error['loc'][-1]}: {error['msg']}" for error in exc.errors())
    return JSONResponse({"error": wrong}, 422)


async def _told(request: Request, exc: Exception) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(exc, kind)), 400)
    return JSONResponse({"error": one_line(exc)}, status)
