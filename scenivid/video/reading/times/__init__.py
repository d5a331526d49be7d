"""When frames are shown: clocks, presentation times, and what a file tells of its wholeness."""
