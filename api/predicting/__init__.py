"""Predictions: resolving the state of a version, and converting its verdicts to a response."""
