"""What training costs: a step, what shared passes save, and a whole machine with a GPU."""
