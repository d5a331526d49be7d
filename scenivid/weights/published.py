"""Other people's published weights: fetched once, checked, kept in torch's cache, refused quickly offline."""

from __future__ import annotations

import hashlib
import logging
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import torch

from scenivid.errors import CheckpointError

_log = logging.getLogger(__name__)
_REACH_S = 5.0
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Published:
    """One file on the internet."""

    name: str
    """What it is called here."""
    url: str
    """Where the publisher keeps it."""
    file: str
    """Name in torch's cache."""
    sha256: str = ""
    """Beginning of the file's SHA-256; empty where the publisher gives none."""
    licence: str = ""
    """Terms of the publisher."""
    about: str = ""
    """What it is, and what for."""

    @property
    def path(self) -> Path:
        """Where the file is kept: `$TORCH_HOME/hub/checkpoints/FILE`."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.file


def fetch_published(weights: Published, download: bool = True) -> Path:
    """The cached file; where it isn't cached, download it first.

    Args:
        download: False never touches the network.

    Raises:
        CheckpointError: not cached and not to be had (the message says which file to put where), or damaged.
    """
    if weights.path.is_file():
        return weights.path
    advice = f"download {weights.url} elsewhere and put it at {weights.path}"
    if not download:
        raise CheckpointError(f"{weights.name} is not cached: {advice}")
    host = "{0.scheme}://{0.netloc}".format(urlsplit(weights.url))
    if not _reachable(host):
        raise CheckpointError(f"{weights.name}: no connection to {host}; {advice}")
    _log.info("downloading %s from %s", weights.name, weights.url)
    try:
        retrieve(weights.url, weights.path, weights.sha256)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{weights.name} could not be fetched ({error}); {advice}") from error
    return weights.path


@cache
def _reachable(host: str) -> bool:
    """Whether anything answers at `host` within five seconds, name resolution and proxies included."""
    answered = threading.Event()

    def knock() -> None:
        try:
            request = urllib.request.Request(host, method="HEAD")
            with urllib.request.urlopen(request, timeout=_REACH_S):
                answered.set()
        except urllib.error.HTTPError:
            answered.set()  # a refusal is an answer
        except (OSError, ValueError):
            pass

    # A daemon: where the name server is silent, getaddrinfo blocks for long and cannot be interrupted.
    thread = threading.Thread(target=knock, name="reach", daemon=True)
    thread.start()
    thread.join(_REACH_S + 1)
    return answered.is_set()


def retrieve(url: str, path: Path, sha256: str = "", largest: int | None = None) -> None:
    """Fetch a file; it appears whole or not at all.

    Args:
        sha256: what the file's SHA-256 begins with.
        largest: bytes after which to give up.

    Raises:
        OSError: no connection, or nowhere to write.
        ValueError: cut short, too large or damaged.
    """
    digest, size = hashlib.sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, partial.open("wb") as file:
            expected = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                size += len(chunk)
                if largest is not None and size > largest:
                    raise ValueError(f"more than {largest} bytes")
                digest.update(chunk)
                file.write(chunk)
        if expected and size != expected:
            raise ValueError(f"{size} of {expected} bytes came")
        if not digest.hexdigest().startswith(sha256):
            raise ValueError(f"damaged: SHA-256 begins with {digest.hexdigest()[:8]}, not {sha256[:8]}")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
