"""Stylize a clip through the HTTP API of `scenivid ui`, with nothing but Python's own library.

scenivid ui &
python examples/use_the_api.py examples/clip.mp4 out.mp4 --style cel
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen


class Client:
    """Talks to one server."""

    def __init__(self, address: str = "http://127.0.0.1:7860", secret: str | None = None) -> None:
        """`secret`: who you are, for a server with --multi-user."""
        self._address = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def upload(self, path: Path) -> str:
        """Bring a file; what it is called from now on."""
        size = {"Content-Length": str(path.stat().st_size)}
        with path.open("rb") as file:  # sent a piece at a time
            return str(self._ask("PUT", f"/api/uploads/{quote(path.name)}", file, size)["name"])

    def submit(self, source: str, **dials: Any) -> str:
        """Queue a job; its id."""
        return str(self._ask("POST", "/api/jobs", json.dumps({"source": source, **dials}).encode())["id"])

    def status(self, job: str) -> dict[str, Any]:
        """How a job stands."""
        return self._ask("GET", f"/api/jobs/{job}")

    def cancel(self, job: str) -> None:
        """Stop a job; what is finished stays."""
        self._ask("POST", f"/api/jobs/{job}/cancel")

    def fetch(self, job: str, output: Path) -> None:
        """Get the result."""
        request = Request(f"{self._address}/api/jobs/{job}/result", headers=self._headers)
        with urlopen(request) as answer, output.open("wb") as file:
            shutil.copyfileobj(answer, file)

    def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        request = Request(self._address + path, body, self._headers | (headers or {}), method=method)
        try:
            with urlopen(request) as answer:
                return json.load(answer)
        except HTTPError as error:
            sys.exit(json.load(error)["error"])
        except URLError as error:
            sys.exit(f"no server answers at {self._address} ({error.reason}): start one with `scenivid ui`")


def main() -> None:
    """Bring, submit, wait, fetch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--style", default="aozora")
    parser.add_argument("--address", default="http://127.0.0.1:7860")
    parser.add_argument("--secret")
    wanted = parser.parse_args()
    client = Client(wanted.address, wanted.secret)
    job = client.submit(client.upload(wanted.source), style=wanted.style)
    while (status := client.status(job))["state"] in ("queued", "running"):
        progress = status["progress"] or {}
        print(f"{status['state']}: {progress.get('done', 0)} of {progress.get('total', '?')} frames")
        time.sleep(1)
    if status["state"] != "done":
        sys.exit(f"{status['state']}: {status['error']}")
    client.fetch(job, wanted.output)


if __name__ == "__main__":
    main()
