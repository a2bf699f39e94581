"""Values that are missing: what stands for them, and how many of those before a point may be."""

import numpy as np
from numpy.typing import NDArray

from shared.domain.series import Values

MISSING_SHARE = 0.1  # of the values that a point is judged by; one may always be missing

Flags = NDArray[np.bool_]


def most_missing(needed: int) -> float:
    """How many of the `needed` values before a point may be missing for it to be judged."""
    return max(1.0, MISSING_SHARE * needed)


def carried_forward(before: Values, values: Values, missing: Flags) -> Values:
    """The values (n,) with the last before each missing one in its place, so that no score depends on what comes later.

    before: (m,) the values before the first. Without any, the first that is known stands for those before it.
    """
    known = np.flatnonzero(~missing)
    last = np.searchsorted(known, np.arange(len(values)), "right") - 1
    filled = values[known[np.maximum(last, 0)]] if len(known) else values.copy()
    if len(before):
        filled[last < 0] = before[-1]
    return filled


def interpolated(values: Values, missing: Flags) -> Values:
    """The values (n,) with a straight line between the neighbors of missing ones, for modes that look both ways."""
    places = np.arange(len(values))
    return np.interp(places, places[~missing], values[~missing])


def too_little_before(before: Flags, missing: Flags, needed: int) -> Flags:
    """Which points (n,) have fewer than `needed` values before them, or too many missing ones among those.

    before: (m,) which values before the first point are missing. missing: (n,) which of the points.
    """
    flags = np.concatenate((before, missing))
    places = np.arange(len(before), len(flags))
    counts = np.concatenate(([0], np.cumsum(flags)))
    gaps = counts[places] - counts[np.maximum(places - needed, 0)]
    return (places < needed) | (gaps > most_missing(needed))
