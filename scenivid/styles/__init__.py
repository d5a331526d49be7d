"""What makes a network a style for video."""
