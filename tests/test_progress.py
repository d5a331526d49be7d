"""Progress: rate and time left of a file and of everything, as a value, a line, JSON."""

from __future__ import annotations

import json

import pytest

from scenivid.progress import Meter, State


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _meter(files: int = 1) -> tuple[Clock, list[State], Meter]:
    clock, seen = Clock(), []  # type: Clock, list[State]
    return clock, seen, Meter(seen.append, files=files, clock=clock)


def test_rate_and_time_left_follow_from_what_was_done() -> None:
    clock, seen, meter = _meter()
    tell = meter.begin("a.mp4")
    clock.now += 2
    tell(10, 100)
    assert (seen[-1].done, seen[-1].total, seen[-1].rate, seen[-1].eta_seconds) == (10, 100, 5.0, 18.0)
    meter.end()
    assert seen[-1].finished and seen[-1].eta_seconds == 0 and seen[-1].whole_eta_seconds == 0
    meter.end()
    assert len(seen) == 2


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock, seen, meter = _meter()
    tell = meter.begin("a.mp4")
    clock.now += 100  # loading
    tell(1, 1000)
    for done in range(2, 60):
        clock.now += 1
        tell(1 + 4 * (done - 1), 1000)
    assert seen[-1].rate == pytest.approx(4.0)


def test_the_whole_counts_the_files_to_come() -> None:
    clock, seen, meter = _meter(files=3)
    tell = meter.begin("a.mp4", 1)
    clock.now += 10
    tell(100, 100)
    tell = meter.begin("b.mp4", 2)
    assert seen[-1].finished and seen[-1].file == 1
    clock.now += 5
    tell(50, 100)
    assert seen[-1].eta_seconds == 5 and seen[-1].whole_eta_seconds == 15
    assert seen[-1].line() == "[2/3] b.mp4: 50 of 100 frames, 10.0 frames/s, 0:05 left, 0:15 in all"


def test_what_nobody_knows_is_left_open() -> None:
    clock, seen, meter = _meter()
    tell = meter.begin("pipe")
    tell(0, None)
    assert seen[-1].rate is None and seen[-1].eta_seconds is None
    assert seen[-1].line() == "pipe: 0 frames"
    clock.now += 1
    tell(5, None)
    assert json.loads(json.dumps(seen[-1].as_json()))["rate"] == 5.0


def test_a_failed_file_is_not_finished() -> None:
    _, seen, meter = _meter(files=2)
    meter.begin("a.mp4", 1)(1, 2)
    meter.drop()
    meter.begin("b.mp4", 2)
    assert not any(state.finished for state in seen)


def test_what_an_earlier_run_did_doesnt_count_for_the_rate() -> None:
    clock, seen, meter = _meter()
    tell = meter.begin("translator", done=5000)
    clock.now += 2
    tell(5010, 6000)
    assert seen[-1].rate == 5.0 and seen[-1].eta_seconds == 198.0
    meter.end()
    assert seen[-1].rate == 5.0
