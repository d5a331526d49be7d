"""Temporal coherence: `steady`, the same over float planes for a CPU, and what both remember."""

from scenivid.temporal.steady import DEFAULT_CONSISTENCY, Memory, steady

__all__ = ["DEFAULT_CONSISTENCY", "Memory", "steady"]
