"""The user's defaults: config.toml, below the command line and the environment.

style = "cel"            # for every command that stylizes
strength = 0.8

[ui]                     # for one command
port = 7000

[eval.flicker]           # for a command of a group
json = true
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from scenivid.cli.command import spelled
from scenivid.cli.options import SHARED
from scenivid.errors import ConfigError
from scenivid.machine.places import config_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_defaults(names: Mapping[str, object], path: Path | None = None) -> dict[str, Any]:
    """What click takes as `default_map`: options by command, commands by group.

    Args:
        names: of all commands.
        path: the file; None for the user's own, which needn't be there.

    Raises:
        ConfigError: it can't be read, an option isn't known, or a value makes no sense.
    """
    path = path or config_file()
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} can't be read: {getattr(exc, 'strerror', None) or exc}") from exc
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc
    commands = {name: import_module(f"scenivid.cli.commands.{name}").command for name in names}
    everywhere = {_dashed(key): value for key, value in values.items() if not isinstance(value, dict)}
    for key in everywhere:
        if key not in SHARED:
            raise _unknown(path, key, [*SHARED, *names])
    found = {}
    for name, command in commands.items():
        table = values.get(name, {})
        table = table if isinstance(table, dict) else {}  # `batch` is an option, too
        found[name] = _of_command(path, name, command, everywhere, table)
    for key, value in values.items():
        if isinstance(value, dict) and key not in names:
            raise _unknown(path, key, names)
    return found


def _of_command(
    path: Path, name: str, command: click.Command, everywhere: Mapping[str, Any], table: Mapping[str, Any]
) -> dict[str, Any]:
    """The defaults of one command, or of all commands of a group."""
    if isinstance(command, click.Group):
        found = {}
        for sub, inner in command.commands.items():
            lower = table.get(sub, {})
            if not isinstance(lower, dict):
                raise ConfigError(
                    f"{path}: {name} {sub} is a command: write its options below [{name}.{sub}]"
                )
            found[sub] = _of_command(path, f"{name}.{sub}", inner, everywhere, lower)
        for key in table.keys() - found.keys():
            raise _unknown(path, f"{name}.{key}", [f"{name}.{sub}" for sub in found])
        return found
    options = {spelled(option): option for option in command.params if isinstance(option, click.Option)}
    own = {_dashed(key): value for key, value in table.items()}
    for key in own:
        if key not in options:
            raise _unknown(path, f"{name}.{key}", [f"{name}.{each}" for each in options])
    shared = {
        key: value for key, value in everywhere.items() if getattr(options.get(key), "shared", False)
    }  # not another option of the same name
    given = {**shared, **own}
    return {options[key].name or "": _checked(path, options[key], given[key]) for key in given}


def _checked(path: Path, option: click.Option, value: Any) -> Any:
    """The value as a word of the command line would be, once it is known to make sense."""
    name = spelled(option)
    if option.is_flag:
        if not isinstance(value, bool):
            raise ConfigError(f"{path}: {name} = {value!r}: expected true or false")
        return value
    many = option.multiple or option.nargs != 1
    words = [str(word) for word in _words(value)]
    if isinstance(value, bool | dict) or not words or (not many and isinstance(value, list)):
        raise ConfigError(f"{path}: {name} = {value!r}: expected {'a list' if many else 'one value'}")
    given: Any = words if many else words[0]
    try:
        option.type_cast_value(click.Context(click.Command(name), resilient_parsing=True), given)
    except click.UsageError as exc:
        raise ConfigError(f"{path}: {name} = {value!r}: {exc.message}") from exc
    return given


def _words(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, list) else [value]


def _dashed(key: str) -> str:
    return key.replace("_", "-")


def _unknown(path: Path, key: str, known: Mapping[str, object] | list[str]) -> ConfigError:
    close = difflib.get_close_matches(key, list(known), n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
    return ConfigError(f"{path}: unknown {key!r}; {hint}")
