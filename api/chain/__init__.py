"""The chain of middleware that every request passes, and the state that its slots share."""
