"""Encoders and everything that is copied along."""
