"""Missing values: how they are filled, and how many may be missing before a point."""

import numpy as np
from numpy.typing import NDArray

from shared.domain.series import Values

MISSING_SHARE = 0.1  # of the values before a point; one may always be missing

Flags = NDArray[np.bool_]


def most_missing(needed: int) -> float:
    """Return how many of the `needed` values before a point may be missing if the point is to be judged."""
    return max(1.0, MISSING_SHARE * needed)


def carried_forward(before: Values, values: Values, missing: Flags) -> Values:
    """Fill each missing value (n,) with the last known value before it, so that no score depends on later values.

    before: (m,) values before the first one. Without any, the first known value also fills the gap before it.
    """
    known = np.flatnonzero(~missing)
    last = np.searchsorted(known, np.arange(len(values)), "right") - 1
    filled = values[known[np.maximum(last, 0)]] if len(known) else values.copy()
    if len(before):
        filled[last < 0] = before[-1]
    return filled


def interpolated(values: Values, missing: Flags) -> Values:
    """Fill missing values (n,) by linear interpolation, for modes that use values on both sides of a point."""
    places = np.arange(len(values))
    return np.interp(places, places[~missing], values[~missing])


def too_little_before(before: Flags, missing: Flags, needed: int) -> Flags:
    """Flag the points (n,) that have fewer than `needed` values before them, or too many missing ones among these.

    before: (m,) flags of the missing values before the first point. missing: (n,) flags of the missing points.
    """
    flags = np.concatenate((before, missing))
    places = np.arange(len(before), len(flags))
    counts = np.concatenate(([0], np.cumsum(flags)))
    gaps = counts[places] - counts[np.maximum(places - needed, 0)]
    return (places < needed) | (gaps > most_missing(needed))
