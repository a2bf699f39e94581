"""Series, jobs and detectors, with NumPy and the standard library only."""
