"""When frames are shown: clocks and presentation times."""
