"""Suites: clips, styles and flows that are measured together, and the page of results."""
