"""What a run keeps of its recipe, as a plain dict and as TOML, and where it differs from an earlier run's."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def to_dict(recipe: Any) -> dict[str, Any]:
    """Plain nested dict of bool, int, float, str, list and None; what `load_recipe` would accept."""
    return {field.name: _plain(getattr(recipe, field.name)) for field in dataclasses.fields(recipe)}


def to_toml(recipe: Any) -> str:
    """TOML text that gives the same recipe when loaded again."""
    lines: list[str] = []
    _write_table(to_dict(recipe), "", lines)
    return "\n".join(lines) + "\n"


def differences(recipe: Any, before: Mapping[str, Any]) -> list[str]:
    """Settings of `recipe` that differ from an earlier run's `to_dict`, harmless ones left out.

    Returns:
        Sentences such as "learning_rate was 0.0002, is 0.001"; empty when the run can go on.
    """
    now = _flat(to_dict(recipe))
    old = _flat(before)
    for key, value in _flat(to_dict(type(recipe)())).items():
        # A setting younger than the run stood at its default; a table that may be none is no such setting.
        if not any(f"{held}.".startswith(f"{key}.") or key.startswith(f"{held}.") for held in old):
            old[key] = value
    free = _harmless_keys(type(recipe), "")
    return [
        f"{key} was {old.get(key, 'not set')!r}, is {now.get(key, 'not set')!r}"
        for key in sorted(now.keys() | old.keys())
        if key not in free and now.get(key, "not set") != old.get(key, "not set")
    ]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _flat(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{where}{key}.") if isinstance(value, Mapping) else {where + key: value}
    return flat


def _harmless_keys(cls: type[Any], where: str) -> set[str]:
    hints, keys = typing.get_type_hints(cls), set()
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[field.name]):
            keys |= _harmless_keys(hints[field.name], f"{where}{field.name}.")
        elif field.metadata.get("harmless"):
            keys.add(where + field.name)
    return keys


def _write_table(values: Mapping[str, Any], where: str, lines: list[str]) -> None:
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    lines += [f"{key} = {_toml(value)}" for key, value in values.items() if key not in tables]
    for key, value in tables.items():
        lines += ["", f"[{where}{key}]"]
        _write_table(value, f"{where}{key}.", lines)


def _toml(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)  # JSON's bools, numbers and strings are TOML's
