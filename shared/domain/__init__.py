"""What the service knows about series, jobs and detectors: NumPy and the standard library only."""
