"""The window: a page and an HTTP API on this machine, over jobs that are runs of the command line."""
