"""The page: Gradio lays it out and carries the dials; what Gradio has no part for lies in static/."""
