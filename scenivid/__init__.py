"""Video stylization with temporal coherence."""
