"""Halves of the series: detectors are tuned on one, and both are reported."""

from zlib import crc32

DEVELOP, REPORT = "develop", "report"


def half_of(name: str) -> str:
    """Return the half of a series, by its name, so that it stays in its half when others are added."""
    return (DEVELOP, REPORT)[crc32(name.encode()) & 1]
