"""Downsampling of a long series to the points that a chart of limited width can show."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.domain.series import Values

Column = NDArray[np.floating[Any]]


def extremes(values: Values, max_points: int) -> NDArray[np.intp]:
    """Return increasing indices (m,), m <= `max_points` (>= 4), of the smallest and largest value of each slice.

    There are max_points // 2 - 1 slices. The indices always include the first and the last point.
    """
    if len(values) <= max_points:
        return np.arange(len(values))
    edges = _edges(len(values), max_points // 2 - 1)
    largest = _first_where(values, edges, np.maximum.reduceat(values, edges[:-1]))
    smallest = _first_where(values, edges, np.minimum.reduceat(values, edges[:-1]))
    return np.unique(np.concatenate(([0, len(values) - 1], smallest, largest)))


def peaks(values: Column, max_points: int) -> NDArray[np.intp]:
    """Return increasing indices (m,), m <= `max_points` (>= 1): the first maximum of each of `max_points` slices."""
    if len(values) <= max_points:
        return np.arange(len(values))
    edges = _edges(len(values), max_points)
    return _first_where(values, edges, np.maximum.reduceat(values, edges[:-1]))


def _edges(length: int, slices: int) -> NDArray[np.intp]:
    """Return the start indices of slices of about equal length, followed by the end of the last slice."""
    return np.linspace(0, length, slices + 1).astype(np.intp)


def _first_where(values: Column, edges: NDArray[np.intp], targets: Column) -> NDArray[np.intp]:
    """Return the index of the first value in each slice that equals the target of that slice."""
    hits = np.flatnonzero(values == np.repeat(targets, np.diff(edges)))
    return hits[np.searchsorted(hits, edges[:-1])]
