"""How fast everything is on this machine: stages, whole runs, and yardsticks to compare them with."""

from scenivid.engine.bench.measure import SIZES, Bench, bench
from scenivid.engine.bench.plot import plot

__all__ = ["SIZES", "Bench", "bench", "plot"]
