"""Decoding of fits, one or many per request."""
