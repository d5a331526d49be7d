"""Flicker, fidelity and distance metrics."""

import scenivid.cores  # noqa: F401  before torch, whose threads then sleep while they wait
