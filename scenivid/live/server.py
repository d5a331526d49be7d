"""The stream as a web page: MJPEG from the standard library's server, for one's own browser."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from types import TracebackType

from scenivid.errors import OutputError
from scenivid.live.watch import Status

_EDGE = "frame"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_QUIET_S = 30.0
"""Without a new frame, the last one is sent again, so that who has gone away is noticed."""


class LiveServer:
    """Shows the newest frame to every browser that knows the address. Use it in `with`.

    The address holds a word that nobody guesses: other users of the machine, and pages of other sites in the
    same browser, can't look at what is perhaps somebody's camera.
    """

    def __init__(self, name: str, style: str, host: str = "127.0.0.1", port: int = 0) -> None:
        """
        Args:
            name: of the stream, for people.
            style: its style's name, for people.
            host: address to listen at.
            port: 0 for any that is free.

        Raises:
            OutputError: the address can't be had.
        """
        self._wake = threading.Condition()
        self._jpeg, self._number, self._ended = b"", 0, False
        self._status: dict[str, object] = {"name": name, "style": style, "shown": 0, "ended": False}
        self._secret = secrets.token_urlsafe(16)
        page = files("scenivid.live").joinpath("page.html").read_bytes()
        try:
            self._server = _Server((host, port), _handler(self, page, host))
        except (OSError, OverflowError) as exc:
            raise OutputError(
                f"can't listen at {host}:{port}: {getattr(exc, 'strerror', None) or exc}"
            ) from exc
        shown = host if ":" not in host else f"[{host}]"
        self.address = f"http://{shown}:{self._server.server_address[1]}/{self._secret}/"
        """What the browser opens."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def show(self, jpeg: bytes, status: Status) -> None:
        """Show a picture from now on."""
        with self._wake:
            self._jpeg, self._number = jpeg, self._number + 1
            self._status |= asdict(status)
            self._wake.notify_all()

    def after(self, number: int) -> tuple[bytes, int]:
        """The newest picture and its number, once there is one after `number`; b"" at the end."""
        with self._wake:
            self._wake.wait_for(lambda: self._ended or self._number > number, _QUIET_S)
            return (b"" if self._ended else self._jpeg), self._number

    def status(self) -> bytes:
        """How the stream is doing, as JSON."""
        with self._wake:
            return json.dumps(self._status).encode()

    def belongs(self, path: str) -> str | None:
        """What of ours is asked for; None for what isn't, or where the word is missing."""
        start, _, rest = path.removeprefix("/").partition("/")
        return rest if secrets.compare_digest(start.encode(), self._secret.encode()) else None

    def __enter__(self) -> LiveServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._wake:
            self._ended = True
            self._status["ended"] = True
            self._wake.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away is no event."""


def _handler(live: LiveServer, page: bytes, host: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self) -> None:
            asked = (self.headers.get("Host") or "").rsplit(":", 1)[0].strip("[]")
            if host in _LOOPBACK and asked not in _LOOPBACK:
                self.send_error(403)  # another site's name that was pointed at this machine
                return
            known: dict[str | None, Callable[[], None]] = {
                "": lambda: self._whole("text/html; charset=utf-8", page),
                "status": lambda: self._whole("application/json", live.status()),
                "stream": self._stream,
            }
            known.get(live.belongs(self.path), lambda: self.send_error(404))()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody asks."""

        def _whole(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_EDGE}")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Connection", "close")
            self.end_headers()
            number = 0
            with suppress(OSError):  # the browser has gone
                while True:
                    jpeg, number = live.after(number)
                    if not jpeg:
                        return
                    head = f"--{_EDGE}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    self.wfile.flush()

    return Handler
