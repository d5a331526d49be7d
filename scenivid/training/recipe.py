"""Recipes: a frozen dataclass with defaults is the configuration, TOML and `--set` only override it.

A program declares what can be set, and nothing else can:

    @dataclass(frozen=True)
    class Recipe:
        program: Literal["translator"] = "translator"    # which `scenivid train X` the file is for
        run: RunSettings = field(default_factory=RunSettings)   # steps, seed, logging: as in every program
        photos: Path = Path("data/open/photos")
        learning_rate: float = 2e-4
        augment: Augment = field(default_factory=Augment)       # nested dataclasses are TOML tables
        workers: int = harmless(2)                       # may change when a run is resumed

    recipe = load_recipe(Recipe, Path("tiny.toml"), ["run.steps=500", "augment.flip=false"])

Types understood: bool, int, float, str, Path, Literal, tuple[X, ...], X | None and dataclasses of these.
TOML knows no null: write "none" for an optional value.
"""

from __future__ import annotations

import dataclasses
import math
import reprlib
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from scenivid.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same reader under its old name
    import tomli as tomllib

R = TypeVar("R")
_HUGE = 2**63 - 1
_TINY = 1e-12
_COUNTS = (
    "accumulate batch calibration_pairs candidates critic crop direction_images discriminator_layers "
    "discriminator_width epochs features_side height images log_every patches path_every perceptual_crops "
    "places r1_every side size steps style_dim twins updates views width"
)
_NATURALS = (
    "adversarial_from balance_from every frozen_d_layers reach sample_every swap_below trained_blocks warmup"
)
_SHARES = "best_share betas ema false_accept mixing strengths"
_LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(_COUNTS.split(), (1, 2**31 - 1)),
    **dict.fromkeys(_NATURALS.split(), (0, 2**31 - 1)),
    **dict.fromkeys(_SHARES.split(), (0, 1)),
    "batch": (1, 65_536),
    "workers": (0, 1024),
    "seed": (0, _HUGE),
    "learning_rate": (_TINY, 10),
    "temperature": (_TINY, _HUGE),
    "weight_decay": (0, _HUGE),
    "zoom_min": (_TINY, _HUGE),
    "zoom_max": (_TINY, _HUGE),
}
"""Least and largest value of a key, by its name: what a name means is the same in every recipe."""


def harmless(default: Any) -> Any:
    """A field that may change when a run is resumed, since it doesn't alter what is learnt."""
    return dataclasses.field(default=default, metadata={"harmless": True})


@dataclass(frozen=True)
class RunSettings:
    """What every training run has."""

    steps: int = harmless(1000)
    """Optimiser steps in all, counted over every resume."""
    seed: int = 0
    """Everything random follows from it."""
    checkpoint_minutes: float = harmless(10.0)
    log_every: int = harmless(50)
    """Steps between two lines of log.jsonl; each line holds the means since the line before."""
    sample_every: int = harmless(500)
    """Steps between two PNG sample grids; 0 = none."""
    tensorboard: bool = harmless(True)
    """Whether to write TensorBoard events too, where tensorboard is installed."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.log_every < 1 or self.sample_every < 0 or self.checkpoint_minutes < 0:
            raise ConfigError(
                "run: steps and log_every must be at least 1, sample_every and checkpoint_minutes at least 0"
            )


def load_recipe(cls: type[R], path: Path | None, overrides: Sequence[str] = ()) -> R:
    """Defaults of `cls`, then the TOML file, then each `key.sub=value`, in this order.

    Args:
        cls: a frozen dataclass; every field has a default.
        path: TOML file; None = defaults only.
        overrides: values in TOML notation; a bare word is taken as a string.

    Raises:
        ConfigError: unreadable file, another program's recipe, unknown key (the message lists the known
            ones), wrong type, or a value that the dataclass's own `__post_init__` refuses.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (
            OSError,
            ValueError,
            RecursionError,
        ) as exc:  # of ValueError: not UTF-8, not TOML, a huge number
            raise ConfigError(f"recipe {path} can't be read: {exc}") from exc
    own = getattr(cls, "program", None)
    if own is not None and values.get("program", own) != own:
        raise ConfigError(f"{path} is a recipe of `scenivid train {values['program']}`, not of {own}")
    for override in overrides:
        _override(values, override)
    made: R = _build(cls, values, "")
    return made


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set needs key=value, got {override!r}")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    *tables, name = key.strip().split(".")
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: {table} is a single value, not a table")
        values = inner
    values[name] = value


def _build(cls: type[Any], values: Mapping[str, Any], where: str, usual: Any = None) -> Any:
    """An instance of `cls`; what `values` leaves out is as in `usual`, the field's default."""
    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]
    unknown = sorted(values.keys() - set(known))
    if unknown:
        raise ConfigError(
            f"unknown recipe key {', '.join(where + name for name in unknown)}; "
            f"known here: {', '.join(known)}"
        )
    usual_parts = _defaults(cls) if usual is None else vars(usual)
    given = {
        name: _convert(hints[name], value, where + name, usual_parts.get(name))
        for name, value in values.items()
    }
    try:
        return cls(**given) if usual is None else dataclasses.replace(usual, **given)
    except (TypeError, ValueError) as exc:
        raise ConfigError(f"recipe {where.rstrip('.') or cls.__name__}: {exc}") from exc


def _defaults(cls: type[Any]) -> dict[str, Any]:
    made = {}
    for field in dataclasses.fields(cls):
        if field.default_factory is not dataclasses.MISSING:
            made[field.name] = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            made[field.name] = field.default
    return made


def _convert(hint: Any, value: Any, key: str, usual: Any = None) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if type(None) in inner and (value is None or value == "none"):
            return None
        rest = [option for option in inner if option is not type(None)]
        if len(rest) == 1:
            return _convert(rest[0], value, key, usual)
        for option in rest:
            try:
                return _convert(option, value, key)
            except ConfigError:
                continue
        raise _wrong(key, " or ".join(_name(option) for option in rest), value)
    if origin is Literal:
        if value not in inner:
            raise _wrong(key, "one of " + ", ".join(map(repr, inner)), value)
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _wrong(key, "a list", value)
        return tuple(_convert(inner[0], item, f"{key}[{i}]") for i, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise _wrong(key, "a table", value)
        cls = typing.cast(type[Any], hint)
        return _build(cls, value, key + ".", usual if isinstance(usual, cls) else None)
    return _scalar(hint, value, key)


def _scalar(hint: Any, value: Any, key: str) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if hint is float and (whole or isinstance(value, float)):
        return float(_checked(value, key))
    if hint is Path and isinstance(value, str) and "\0" not in value:
        return Path(value)
    if hint is int and whole:
        return _checked(value, key)
    if hint in (bool, str) and isinstance(value, hint):
        return value
    raise _wrong(key, _name(hint), value)


def _checked(value: float, key: str) -> float:
    """A number that makes sense under its name, whichever program it is for."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(key, "a finite number", value)
    name = key.rpartition(".")[2].partition("[")[0]
    table = key.rpartition(".")[0].rpartition(".")[2]
    low, high = _LIMITS.get(name, (0, _HUGE) if table == "weights" else (-_HUGE, _HUGE))
    if not low <= value <= high:
        raise _wrong(key, f"at least {low}" if value < low else f"at most {high}", value)
    return value


def _wrong(key: str, expected: str, value: Any) -> ConfigError:
    return ConfigError(f"recipe key {key} must be {expected}, got {reprlib.repr(value)}")


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint))
