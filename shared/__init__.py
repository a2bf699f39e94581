"""Time-series anomaly-detection pipeline: what every process shares."""

__version__ = "0.1.0"
