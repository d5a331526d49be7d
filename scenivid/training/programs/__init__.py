"""One program a stage of training."""
