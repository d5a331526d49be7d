"""The window: a page and an HTTP API on this machine, over jobs that are runs of the command line."""

import scenivid.machine.cores  # noqa: F401  before torch, whose threads then sleep while they wait: others work too
