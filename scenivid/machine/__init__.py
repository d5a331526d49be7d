"""What the program has of the machine that it runs on: devices, cores, files, locks, signals, threads."""
