"""Flicker, fidelity and distance metrics."""

import scenivid.machine.cores  # noqa: F401  before torch, whose threads then sleep while they wait
