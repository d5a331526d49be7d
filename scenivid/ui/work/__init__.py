"""What the window has done apart from the server: jobs one after the other, and short errands."""
