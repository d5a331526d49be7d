"""What a run loads, and what 'auto' becomes."""
