"""What every training run has: the loop, checkpoints, logs, processes, speed."""
