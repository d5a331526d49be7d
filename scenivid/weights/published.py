"""Other people's published weights: fetched once, checked, kept in torch's cache, refused quickly offline.

An entry is a file, or a folder of some.

Two processes that want the same file fetch it once; a file that turns out damaged is fetched again.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from scenivid.errors import CheckpointError
from scenivid.machine import locks
from scenivid.machine.lazy import torch
from scenivid.weights.network import mirrored, offline

T = TypeVar("T")

_log = logging.getLogger(__name__)
_REACH_S = 5.0
_CHUNK = 1 << 20
_LARGEST = 4 << 30
"""Bytes that no file of published weights exceeds."""


@dataclass(frozen=True)
class Published:
    """One file on the internet, or a folder of files."""

    name: str
    """What it is called here."""
    url: str
    """Address at which the publisher keeps it."""
    file: str
    """Name in torch's cache."""
    sha256: str = ""
    """Beginning of the file's SHA-256; empty where the publisher gives none."""
    licence: str = ""
    """Terms of the publisher."""
    about: str = ""
    """What it is, and what for."""
    parts: tuple[str, ...] = ()
    """Names of the files of a folder, which lie below `url` and go into the folder `file`; "a|b": either."""

    @property
    def path(self) -> Path:
        """Where it is kept: `$TORCH_HOME/hub/checkpoints/FILE`."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.file

    @property
    def here(self) -> bool:
        """Whether nothing has to be fetched any more."""
        if not self.parts:
            return self.path.is_file()
        return all(any((self.path / one).is_file() for one in part.split("|")) for part in self.parts)


def fetch_published(weights: Published, download: bool = True) -> Path:
    """The cached file; where it isn't cached, download it first.

    Args:
        download: False never touches the network.

    Raises:
        CheckpointError: not cached and not available (the message says which file to put where), or damaged.
    """
    if weights.here:
        return weights.path
    if not download:
        raise CheckpointError(f"{weights.name} is not cached: {_advice(weights)}")
    with alone(weights.path):
        if not weights.here:  # another process may have fetched it meanwhile
            _download(weights)
    return weights.path


def fetch_all(wanted: Iterable[Published]) -> None:
    """Fetch whatever isn't here, before anything else is done.

    Raises:
        CheckpointError: some can't be had; the message says of each where to put it by hand.
    """
    refused = []
    for weights in dict.fromkeys(wanted):
        try:
            fetch_published(weights)
        except CheckpointError as error:
            refused.append(str(error))
    if refused:
        raise CheckpointError("; ".join(refused))


def matches(weights: Published) -> bool | None:
    """Whether the file that is here is the published one; None where the publisher gives no checksum."""
    return _sha256(weights.path).startswith(weights.sha256) if weights.sha256 else None


def load_published(
    published: Published, load: Callable[[Path], T], download: bool = True, weights: Path | None = None
) -> tuple[Path, T]:
    """The cached file and what `load` makes of it; one that it can't load is fetched again, once.

    Args:
        load: raises CheckpointError for a file that is damaged or of another kind.
        download: False never touches the network.
        weights: the user's own file, to be used instead.

    Raises:
        CheckpointError: as `fetch_published`, or what `load` raises on the file as published.
    """
    path = weights or fetch_published(published, download)
    try:
        return path, load(path)
    except CheckpointError as error:
        as_published = published.sha256 and path.is_file() and _sha256(path).startswith(published.sha256)
        if weights is not None or not download or as_published:
            raise
        _log.warning("%s is damaged (%s): fetching it again", path, error)
    with alone(path):
        _download(published)
    return path, load(path)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only process that fetches `path`; wait for another that does."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        with locks.hold(lock) as mine:
            if mine:
                yield
                return
        _log.info("waiting for another process that fetches %s", path.name)
        with locks.hold(lock, wait=True):
            yield
    except OSError as error:
        raise CheckpointError(f"{path.parent} can't be written: {error.strerror or error}") from error


def _download(weights: Published) -> None:
    host = "{0.scheme}://{0.netloc}".format(urlsplit(mirrored(weights.url)))
    if offline():
        raise CheckpointError(f"{weights.name} isn't here, and HF_HUB_OFFLINE is set; {_advice(weights)}")
    if not reachable(host):
        raise CheckpointError(f"{weights.name}: no connection to {host}; {_advice(weights)}")
    _log.info("downloading %s from %s (%s)", weights.name, weights.url, weights.licence)
    try:
        if weights.parts:
            for part in weights.parts:
                _one_of([(f"{weights.url}/{name}", weights.path / name) for name in part.split("|")])
        else:
            retrieve(weights.url, weights.path, weights.sha256)
    except (OSError, ValueError, HTTPException) as error:
        raise CheckpointError(f"{weights.name} could not be fetched ({error}); {_advice(weights)}") from error


def _one_of(choices: Sequence[tuple[str, Path]]) -> None:
    """Fetch the first that is there."""
    if any(path.is_file() for _, path in choices):
        return
    for url, path in choices[:-1]:
        try:
            return retrieve(url, path)
        except urllib.error.HTTPError as error:
            _log.debug("%s: %s", url, error)
    retrieve(*choices[-1])


def _advice(weights: Published) -> str:
    if weights.parts:
        names = ", ".join(part.replace("|", " or ") for part in weights.parts)
        return f"download {names} from {weights.url} elsewhere and put them into {weights.path}"
    return f"download {weights.url} elsewhere and put it at {weights.path}"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@cache
def reachable(host: str) -> bool:
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


def retrieve(url: str, path: Path, sha256: str = "", largest: int = _LARGEST) -> None:
    """Fetch a file; it appears whole and checked, or not at all.

    Args:
        sha256: what the file's SHA-256 begins with.
        largest: bytes after which to give up.

    Raises:
        OSError: no connection, or nowhere to write.
        HTTPException: the answer breaks off or is no HTTP.
        ValueError: cut short, too large or damaged.
    """
    if offline():
        raise OSError("HF_HUB_OFFLINE is set: nothing is downloaded")
    digest, size = hashlib.sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with urllib.request.urlopen(mirrored(url), timeout=30) as answer, partial.open("xb") as file:
            expected = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                size += len(chunk)
                if size > largest:
                    raise ValueError(f"more than {largest} bytes")
                digest.update(chunk)
                file.write(chunk)
        if not size or (expected and size != expected):
            raise ValueError(f"{size} of {expected or 'some'} bytes came")
        if not digest.hexdigest().startswith(sha256):
            raise ValueError(f"damaged: SHA-256 begins with {digest.hexdigest()[:8]}, not {sha256[:8]}")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
