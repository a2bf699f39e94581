"""Downsampling of a long series to the points that a chart of limited width can show."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.domain.series import Values

Column = NDArray[np.floating[Any]]


def extremes(values: Values, at_most: int) -> NDArray[np.intp]:
    """Return increasing indices (m,), m <= `at_most` (>= 4), of the smallest and largest value of each slice.

    There are at_most // 2 - 1 slices. The indices always include the first and the last point.
    """
    if len(values) <= at_most:
        return np.arange(len(values))
    edges = _edges(len(values), at_most // 2 - 1)
    largest = _first_where(values, edges, np.maximum.reduceat(values, edges[:-1]))
    smallest = _first_where(values, edges, np.minimum.reduceat(values, edges[:-1]))
    return np.unique(np.concatenate(([0, len(values) - 1], smallest, largest)))


def peaks(values: Column, at_most: int) -> NDArray[np.intp]:
    """Return increasing indices (m,), m <= `at_most` (>= 1), of the maxima of `at_most` slices, the first if tied."""
    if len(values) <= at_most:
        return np.arange(len(values))
    edges = _edges(len(values), at_most)
    return _first_where(values, edges, np.maximum.reduceat(values, edges[:-1]))


def _edges(length: int, slices: int) -> NDArray[np.intp]:
    """Return the start indices of slices of about equal length, followed by the end of the last slice."""
    return np.linspace(0, length, slices + 1).astype(np.intp)


def _first_where(values: Column, edges: NDArray[np.intp], targets: Column) -> NDArray[np.intp]:
    """Return the index of the first value in each slice that equals the target of that slice."""
    hits = np.flatnonzero(values == np.repeat(targets, np.diff(edges)))
    return hits[np.searchsorted(hits, edges[:-1])]
