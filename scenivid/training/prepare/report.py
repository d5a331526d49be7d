"""What was kept and what was dropped, and why: counts, JSON, and one page that needs nothing beside it."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from scenivid.errors import DependencyError
from scenivid.machine.aside import whole
from scenivid.training.prepare.judge import REASONS
from scenivid.training.prepare.store import Row, Store

DATA, PAGE = "report.json", "report.html"
_SHOWN = 96
"""Thumbnails of what was kept, and of each reason: evenly taken where there are more."""


@dataclass(frozen=True)
class Counts:
    """The sums of a data set."""

    pictures: int
    """Squares (or whole frames) written."""
    kept: int
    """Shots and photographs they come from."""
    dropped: dict[str, int]
    """By reason, the most frequent first."""
    films: int
    photographs: int
    """That were looked at to their end."""
    frames: int
    """Frames of films that were read."""
    finished: bool
    """Whether all sources were."""

    def lines(self) -> list[str]:
        """For people."""
        said = [
            f"{self.films} films ({self.frames} frames) and {self.photographs} photographs: "
            f"{self.kept + sum(self.dropped.values())} shots and photographs, {self.kept} kept, "
            f"{self.pictures} pictures"
        ]
        width = max((len(reason) for reason in self.dropped), default=0)
        said += [
            f"  dropped {number:5d}  {reason:{width}}  ({REASONS.get(reason, '')})"
            for reason, number in self.dropped.items()
        ]
        return said


def count(store: Store, finished: bool) -> Counts:
    """Of everything in the journal."""
    dropped = Counter(row.reason for row in store.rows if row.reason is not None)
    ends = store.ends.values()
    return Counts(
        sum(len(row.images) for row in store.rows),
        sum(row.reason is None for row in store.rows),
        dict(dropped.most_common()),
        sum(end.film for end in ends),
        sum(not end.film for end in ends),
        sum(end.frames for end in ends),
        finished,
    )


def write_report(store: Store, finished: bool, settings: dict[str, Any]) -> Counts:
    """Write report.json and report.html into the folder.

    Args:
        settings: the recipe, as plain values.

    Raises:
        DependencyError: jinja2 is missing.
        OutputError: the folder can't be written.
    """
    counts = count(store, finished)
    films = [_film(store, end.source, end.frames, end.notes) for end in store.ends.values() if end.film]
    data = {**asdict(counts), "sources": films, "settings": settings}
    with whole(store.out / DATA) as part:
        part.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    page = _render(store, counts, films, settings)
    with whole(store.out / PAGE) as part:
        part.write_text(page, encoding="utf-8")
    return counts


def _film(store: Store, name: str, frames: int, notes: Sequence[str]) -> dict[str, Any]:
    rows = store.rows_of(name)
    return {
        "name": name,
        "frames": frames,
        "shots": len(rows),
        "kept": sum(row.reason is None for row in rows),
        "pictures": sum(len(row.images) for row in rows),
        "dropped": dict(Counter(row.reason for row in rows if row.reason is not None).most_common()),
        "notes": list(notes),
    }


def _render(store: Store, counts: Counts, films: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    try:
        import jinja2
    except ImportError as exc:
        raise DependencyError("the report needs jinja2: pip install 'scenivid[train]'") from exc
    source = (resources.files("scenivid.training.prepare") / "report.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    groups = [("", "kept", [row for row in store.rows if row.reason is None])]
    groups += [
        (reason, REASONS.get(reason, ""), [row for row in store.rows if row.reason == reason])
        for reason in counts.dropped
    ]
    most = max([counts.kept, *counts.dropped.values(), 1])
    return template.render(
        out=store.out.name,
        counts=counts,
        films=films,
        settings=[(key, value) for key, value in settings.items() if not isinstance(value, dict)],
        rules=list(settings.get("rules", {}).items()),
        groups=[
            {
                "reason": reason,
                "about": about,
                "number": len(rows),
                "share": len(rows) / most,
                "shown": [_shown(store.out, row) for row in _evenly(rows)],
            }
            for reason, about, rows in groups
        ],
    )


def _shown(out: Path, row: Row) -> dict[str, str]:
    where = row.source if row.frame is None else f"{row.source}, {row.seconds:.2f} s (frame {row.frame})"
    path = out / ".thumbs" / row.thumb
    picture = ""
    if row.thumb and path.is_file():
        picture = f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return {"where": where, "picture": picture, "detail": row.detail}


def _evenly(rows: Sequence[Row]) -> list[Row]:
    number = min(len(rows), _SHOWN)
    return [rows[i * len(rows) // number] for i in range(number)]
