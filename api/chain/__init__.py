"""The chain of middleware that every request passes, and what its slots know."""
