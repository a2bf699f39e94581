"""Predictions: which state answers, and the answer as JSON."""
