"""Code that every process of the time-series anomaly-detection pipeline shares."""

__version__ = "0.2.0"
