"""What a dead run looks like: a training that has collapsed is stopped, and nothing of it is kept.

A collapsed translator goes on without an error: its output is one flat colour, patches can't be told apart
any more (HDCE at its ceiling, the logarithm of the number of places), or the picture jumps when its input
moves by a pixel. A program names such signs; the loop looks at their means whenever it logs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scenivid.errors import DivergedError


@dataclass(frozen=True)
class Sign:
    """One figure that a healthy run keeps on the good side of a limit."""

    name: str
    """Key in what `Program.step` hands back."""
    limit: float
    above: bool
    """Whether values above the limit are bad, not those below it."""
    meaning: str
    """What it says about the run, for people."""

    def bad(self, value: float) -> bool:
        """Whether a value lies on the wrong side, or is no number at all."""
        return not (value <= self.limit if self.above else value >= self.limit)


@dataclass
class Watchdog:
    """Looks at the means of each logged interval.

    A sign counts once it has been good, or from step `grace` on: networks that begin at random look dead.
    """

    signs: Sequence[Sign]
    grace: int = 1000
    """Steps after which a sign that was never good counts."""
    patience: int = 2
    """Bad intervals in a row that make a run dead."""

    def __post_init__(self) -> None:
        self._good: set[str] = set()
        self._bad_intervals = 0

    def healthy(self, step: int, means: Mapping[str, float], last: bool = False) -> bool:
        """False while a sign is bad: such a moment isn't worth a checkpoint.

        Args:
            last: the run ends here, so there is no patience: what is kept for good must be alive.

        Raises:
            DivergedError: a sign was bad for `patience` intervals, or at the end.
        """
        bad = []
        for sign in self.signs:
            if sign.name not in means:
                continue
            if not sign.bad(means[sign.name]):
                self._good.add(sign.name)
            elif sign.name in self._good or step > self.grace:
                bad.append(sign)
        self._bad_intervals = self._bad_intervals + 1 if bad else 0
        if self._bad_intervals >= (1 if last else self.patience):
            seen = "; ".join(f"{sign.name} {means[sign.name]:.3g}: {sign.meaning}" for sign in bad)
            raise DivergedError(
                f"the run has collapsed before step {step} ({seen}): the last good checkpoint is kept and "
                "no style is written; begin again with a lower learning_rate or clip"
            )
        return not bad


def translator_signs(places: int) -> tuple[Sign, ...]:
    """Of programs that translate images and log temporal, hdce and contrast where they have them.

    Args:
        places: patches that HDCE tells apart; features that are all alike give ln(places).
    """
    return (
        Sign("temporal", 0.5, True, "the output jumps when the input moves a little"),
        Sign("hdce", 0.95 * math.log(places), True, "patches of the output can't be told apart"),
        Sign("contrast", 0.01, False, "the output is one flat colour"),
    )
