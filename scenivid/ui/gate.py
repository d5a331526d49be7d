"""Who asks, and whether they may: a layer around the whole server, before any route.

- A server that listens on this machine alone answers to this machine's own names only, so that a page from
  elsewhere can't reach it by a name of its own that points here (DNS rebinding).
- What changes something must come from our own page, or from a program, which sends no `Origin`.
- With several users, whoever knows a secret is a user: browsers get theirs as a cookie, programs send one of
  their own choice, `Authorization: Bearer …`. Only a digest of it is kept.
- Gradio's own ways to bring and fetch files are shut: ours have an owner for each file.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALONE = "me"
"""The user where there is only one."""
COOKIE = "scenivid"
SHORTEST_SECRET = 16
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_SHUT = (
    "/gradio_api/upload",
    "/gradio_api/file",
    "/gradio_api/proxy",
    "/gradio_api/stream",
    "/gradio_api/runs",
)
_SAFE = ("GET", "HEAD", "OPTIONS")
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class Gate:
    """The ASGI layer. It puts the user's name into the request's state."""

    app: ASGIApp
    host: str
    """What the server listens at."""
    multi_user: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] == "websocket":  # nothing of ours uses them
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        secret = _secret(headers)
        new = None
        if refused is None and self.multi_user and secret is None:
            if scope["path"].startswith("/api"):
                refused = 401, f"send `Authorization: Bearer` and a secret of {SHORTEST_SECRET} characters"
            else:
                new = secret = secrets.token_urlsafe(24)
        if refused is not None:
            await JSONResponse({"error": refused[1]}, refused[0])(scope, receive, send)
            return
        scope.setdefault("state", {})["user"] = user_of(secret) if self.multi_user and secret else ALONE

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), new)
            await send(message)

        await self.app(scope, receive, answer)

    def _refused(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self.host in _LOOPBACK and _name(host) not in _LOOPBACK:
            return 403, f"this server answers to localhost, not to {host[:80]!r}"
        if scope["path"].startswith(_SHUT):
            return 403, "files are brought by PUT /api/uploads/NAME"
        if scope["method"] not in _SAFE:
            origin = headers.get("origin")
            foreign = origin is not None and urlsplit(origin).netloc != host
            if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
                return 403, "another page may not do this"
        return None


def user_of(secret: str) -> str:
    """The name of whoever knows `secret`."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


def _secret(headers: Headers) -> str | None:
    kind, _, value = headers.get("authorization", "").partition(" ")
    found: Any = value.strip() if kind.lower() == "bearer" else None
    if not found:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            morsel = None
        found = morsel.value if morsel else None
    return found if found and len(found) >= SHORTEST_SECRET else None


def _name(host: str) -> str:
    """Without the port."""
    return urlsplit(f"//{host}").hostname or ""


def _add_headers(headers: MutableHeaders, secret: str | None) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers.setdefault("Content-Security-Policy", _POLICY)
    if secret is not None:
        headers.append("Set-Cookie", f"{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000")
