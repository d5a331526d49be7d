"""What a suite measured."""

from __future__ import annotations

from dataclasses import dataclass

from scenivid.engine import Report
from scenivid.evaluation.results import FlickerReport
from suite.crops import Crop
from suite.measures import Clean
from suite.spec import Suite

BLEND = "blend"
"""The baseline's name where a flow's would stand."""


@dataclass(frozen=True)
class Outcome:
    """One clip in one style with one flow."""

    clip: str
    style: str
    flow: str
    """Estimator of the coherence, or 'blend' for the baseline."""
    report: FlickerReport
    ghost: float | None
    """|output − per-frame| where something was uncovered within six frames, over that elsewhere; rendered
    clips with a disc only. At most 1: no trail."""
    clean: Clean | None
    """Against the same network without noise; styles with noise only."""
    run: Report | None
    """What stylizing took; None for the baseline."""
    goal: float
    """Of the style, see `StyleSpec.goal`."""


@dataclass(frozen=True)
class SuiteResult:
    """Everything a suite measured."""

    suite: Suite
    consistency: float
    outcomes: tuple[Outcome, ...]
    crops: tuple[Crop, ...]
    left_out: tuple[str, ...]
    """Sentences about clips and styles that could not be run."""
