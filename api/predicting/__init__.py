"""Predictions: resolve the state of a version, and convert its verdicts to a response."""
