"""Flicker, fidelity and distance metrics."""
