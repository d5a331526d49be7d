"""Styles from ONNX networks, and ours as such."""
