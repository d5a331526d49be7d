"""How a style is measured: what `evaluate_*`, `compare_*` and others here share."""
