"""Computations that take long: shared fairly between keys, in threads or in child processes of the API."""
