"""Licences of the open data set: read from packages, listed for people."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path

OPEN_LICENCES = ("public-domain", "CC0", "CC-BY-", "CC-BY-SA", "GPL", "LGPL", "Expat", "MIT", "BSD", "Apache")


@dataclass(frozen=True)
class Kept:
    """One image of the data set."""

    kind: str
    name: str
    package: str
    original: str
    licence: str
    holder: str


def licence_of(copyright_text: str, original: str) -> tuple[str, str] | None:
    """(licence, holder) of a file after Debian's machine-readable copyright format.

    Packages install files under other folders than upstream's, so patterns are compared by their tail. Those
    naming a file beat those naming a folder; then the last wins, except that a licence with conditions
    beats "public-domain": lists such as `fields1*` also catch another photographer's `fields12-name`.
    """
    named, general = [], []
    for stanza in re.split(r"\n\s*\n", copyright_text):
        fields = _fields(stanza)
        if "files" not in fields or "license" not in fields:
            continue
        row = (fields["license"].split()[0], fields.get("copyright", "").strip())
        for pattern in fields["files"].split():
            last = pattern.split("/")[-1]
            if last == "*":
                if pattern == "*" or fnmatch.fnmatchcase("/" + original, f"*/{pattern}"):
                    general.append(row)
            elif fnmatch.fnmatchcase("/" + original, f"*/{pattern}") or (
                "*" not in last and original.split("/")[-1] == last
            ):
                named.append(row)
    conditional = [row for row in named if row[0] != "public-domain"]
    return next((rows[-1] for rows in (conditional, named, general) if rows), None)


def _fields(stanza: str) -> dict[str, str]:
    """One stanza's fields, lower-case names, continuation lines joined by spaces."""
    fields: dict[str, str] = {}
    key = ""
    for line in stanza.splitlines():
        head = re.match(r"([A-Za-z-]+):\s*(.*)", line)
        if head:
            key = head[1].lower()
            fields[key] = head[2].strip()
        elif key:
            fields[key] = f"{fields[key]} {line.strip()}"
    return fields


def write_licences(kept: list[Kept], out: Path) -> None:
    """OUT/LICENCES.md: a summary by package and licence, then every file."""
    groups: dict[tuple[str, str], int] = {}
    for row in kept:
        groups[row.package, row.licence] = groups.get((row.package, row.licence), 0) + 1
    lines = ["# Licences of the open data set", "", "| package | licence | images |", "|---|---|---|"]
    lines += [f"| {package} | {licence} | {count} |" for (package, licence), count in sorted(groups.items())]
    lines += ["", "| image | set | package file | licence | holder |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.kind} | {row.package}: {row.original} | {row.licence} | {row.holder} |"
        for row in sorted(kept, key=lambda row: (row.kind, row.name))
    ]
    (out / "LICENCES.md").write_text("\n".join(lines) + "\n", "utf-8")
