"""Files whose packets were changed on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av


def remuxed(
    source: Path,
    path: Path,
    change: Callable[[av.Packet[Any]], int] = lambda packet: 1,
    metadata: dict[str, str] | None = None,
) -> Path:
    """The same tracks in another file; each packet is written as many times as `change` says."""
    with av.open(str(source)) as one, av.open(str(path), "w") as other:
        tracks = {s.index: other.add_stream_from_template(s, opaque=True) for s in one.streams}
        tracks[0].metadata.update(metadata or {})
        for packet in one.demux():
            if packet.size:
                times = change(packet)
                packet.stream = tracks[packet.stream.index]
                for _ in range(times):
                    other.mux(packet)
    return path
