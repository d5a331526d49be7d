"""Whether and where weights are fetched, by the variables that Hugging Face's own tools heed."""

from __future__ import annotations

import os

_HUB = "https://huggingface.co/"
_YES = {"1", "ON", "YES", "TRUE"}


def offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids every download."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES


def mirrored(url: str) -> str:
    """`url`, at HF_ENDPOINT if it is one of the hub's."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return f"{endpoint}/{url.removeprefix(_HUB)}" if endpoint and url.startswith(_HUB) else url
