"""Embedded weights and their model cards."""
