"""The paper's translator: settings, the shared passes, losses, and its training step."""
