"""What a run really took."""

from __future__ import annotations

import gc
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile


def measured(run: Callable[[], object]) -> int:
    """Peak of the CPU allocator's balance while `run` runs, in bytes."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run()
    assert recorded.profiler is not None and recorded.profiler.kineto_results is not None
    balance = peak = 0
    for event in sorted(recorded.profiler.kineto_results.events(), key=lambda event: int(event.start_ns())):
        if event.name() == "[memory]":
            balance += event.nbytes()
            peak = max(peak, balance)
    return peak
