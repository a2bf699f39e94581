"""Halves of the series: what is tuned is tuned on one half, and the other one is reported beside it."""

from zlib import crc32

DEVELOP, REPORT = "develop", "report"


def half_of(name: str) -> str:
    """Return the half of a series, by its name, so that it stays in its half when others are added."""
    return (DEVELOP, REPORT)[crc32(name.encode()) & 1]
