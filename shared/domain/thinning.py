"""Fewer points that look the same: what a chart of limited width can show of a long series."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.domain.series import Values

Column = NDArray[np.floating[Any]]


def extremes(values: Values, at_most: int) -> NDArray[np.intp]:
    """Indices (m,), increasing, m <= `at_most` (>= 4): the smallest and largest value of each of at_most // 2 slices.

    The first and last point are among them, and so is every value that stands out of its slice.
    """
    if len(values) <= at_most:
        return np.arange(len(values))
    edges = _edges(len(values), at_most // 2 - 1)
    largest = _first_where(values, edges, np.maximum.reduceat(values, edges[:-1]))
    smallest = _first_where(values, edges, np.minimum.reduceat(values, edges[:-1]))
    return np.unique(np.concatenate(([0, len(values) - 1], smallest, largest)))


def peaks(values: Column, at_most: int) -> NDArray[np.intp]:
    """Indices (m,), increasing, m <= `at_most` (>= 1): the first largest value of each of `at_most` slices."""
    if len(values) <= at_most:
        return np.arange(len(values))
    edges = _edges(len(values), at_most)
    return _first_where(values, edges, np.maximum.reduceat(values, edges[:-1]))


def _edges(length: int, slices: int) -> NDArray[np.intp]:
    """Where slices of about the same length begin, and the end of the last."""
    return np.linspace(0, length, slices + 1).astype(np.intp)


def _first_where(values: Column, edges: NDArray[np.intp], wanted: Column) -> NDArray[np.intp]:
    """Index of the first value in each slice that equals its wanted one."""
    hits = np.flatnonzero(values == np.repeat(wanted, np.diff(edges)))
    return hits[np.searchsorted(hits, edges[:-1])]
