"""What a word of the command line may stand for: paths, times, rates, counts, numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import click


class Name(click.Path):
    """A path, which has a name: the empty one would stand for the folder one is in."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        """The path; a usage error for an empty one."""
        if not str(value):
            self.fail("the name is empty")
        return super().convert(value, param, context)


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """A time: seconds (12.5), or [hours:]minutes:seconds (1:02:03.5)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Fraction:
        """Exact seconds; a usage error for anything else."""
        if isinstance(value, Fraction):
            return value
        parts = str(value)[:40].split(":")
        if "e" in str(value).lower():  # 1e999999999 would take all memory
            parts = []
        try:
            numbers = [Fraction(part) for part in parts]
        except (ValueError, ZeroDivisionError):
            numbers = []
        if not 1 <= len(numbers) <= 3 or any(number < 0 for number in numbers) or "/" in str(value):
            self.fail(f"{value!r} is not a time: give seconds (12.5) or minutes:seconds (1:02.5)")
        total = Fraction(0)
        for number in numbers:
            total = total * 60 + number
        return total


class Rate(click.ParamType):  # type: ignore[type-arg]
    """A frame rate: 25, 23.976 or 30000/1001."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Fraction:
        """Exact frames a second; a usage error for anything else."""
        try:
            rate = Fraction(value)
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if not 0 < rate <= 1000:
            self.fail(f"{value!r} is not a frame rate: give 25, 23.976 or 30000/1001")
        return rate


class Count(click.ParamType):  # type: ignore[type-arg]
    """A positive whole number, or one of a few words."""

    name = "N"

    def __init__(self, *words: str) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int | str:
        """The number, or the word."""
        if value in self.words:
            return str(value)
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r} is neither a positive number nor one of: {', '.join(self.words)}")
        return number


class Number(click.FloatRange):
    """A number of a range; inf and nan, which no range keeps out, are refused."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """The number; a usage error for anything else."""
        number = float(super().convert(value, param, context))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number")
        return number
