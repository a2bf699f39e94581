"""Fits as requests carry them."""
