"""Windows of a series as short vectors, and nearest-neighbor search in a bank of them.

A window becomes the means of at most 32 equal blocks, minus the window's mean, and 0.3 times that mean. So Euclidean
distance compares shapes first and levels second. Windows are not divided by their own deviation, so a noisy stretch
stays different from a quiet one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.standards import Indices
from shared.domain.series import Flags, Values

BLOCKS = 32
LEVEL = 0.3
ROWS = 2_048  # of the distance matrix computed at a time: 4 MB with a bank of 512 windows

Vectors = NDArray[np.float32]

LENGTHS = (16, 32, 64, 128)
BANK = 512  # windows of each length


def vector_length(length: int) -> int:
    """Return the dimension of the vector of a window of `length` values."""
    return length // -(-length // BLOCKS) + 1


def vectors(sums: Values, ends: Indices, length: int) -> Vectors:
    """Return the vectors (m, vector_length) of the windows of `length` values that end at `ends` (m,).

    sums: (n + 1,) cumulative sums of the standardized values, starting at 0.
    """
    step = -(-length // BLOCKS)
    blocks = length // step
    edges = sums[ends[:, None] + 1 - step * np.arange(blocks, -1, -1)]
    mean = (sums[ends + 1] - sums[ends + 1 - length]) / length
    out = np.empty((len(ends), blocks + 1), dtype=np.float32)
    out[:, :blocks] = (np.diff(edges, axis=1) / step - mean[:, None]) / np.sqrt(blocks)
    out[:, blocks] = LEVEL * mean
    return out


@dataclass(frozen=True, slots=True)
class Bank:
    """Reference windows: `vectors` (m, k) in order of time; `times` (m,) of their last points, increasing."""

    vectors: Vectors
    times: Indices
    factors: Vectors  # (k + 1, m): multiplied by a vector and a 1, they give squared distances minus its square

    @classmethod
    def of(cls, vectors: Vectors, times: Indices) -> "Bank":
        """Precompute the factors that `nearest` multiplies by."""
        squares = np.einsum("ij,ij->i", vectors, vectors)
        return cls(vectors, times, np.ascontiguousarray(np.concatenate([-2 * vectors, squares[:, None]], axis=1).T))

    def nearest(self, queries: Vectors, times: Indices | None = None, reach: float = 0.0) -> tuple[Vectors, Indices]:
        """Return the distances (n,) of `queries` (n, k) from their nearest windows, and the indices of these.

        With `times` (n,), windows of the bank closer in time than `reach` are excluded: they overlap the query.
        """
        indices = np.empty(len(queries), dtype=np.int64)
        for start in range(0, len(queries), ROWS):
            part = slice(start, start + ROWS)
            ones = np.ones((len(queries[part]), 1), dtype=np.float32)
            matrix = np.concatenate([queries[part], ones], axis=1) @ self.factors
            if times is not None:
                matrix[np.abs(times[part, None] - self.times[None, :]) < reach] = np.inf
            indices[part] = matrix.argmin(axis=1)
        # the matrix has differences of large numbers, so the distance is computed again, exactly
        difference = queries - self.vectors[indices]
        return np.sqrt(np.einsum("ij,ij->i", difference, difference)), indices


@dataclass(frozen=True, slots=True)
class Scale:
    """One window length."""

    length: int
    usual_distance: float  # from the nearest window: the 99th percentile
    bank: Bank


@dataclass(frozen=True)  # no slots: `scales` is cached on first use
class TrainingWindows:
    """Training windows, shortest first, as flat arrays that a state can store."""

    lengths: NDArray[np.int64]  # (s,), increasing
    counts: NDArray[np.int64]  # (s,) windows of each length
    vectors: NDArray[np.float16]  # all banks, concatenated
    times: NDArray[np.int64]  # (sum of counts,) timestamp of the last point of each window
    last_values: Values  # (sum of counts,) value of that point
    usual_distances: Values  # (s,)

    @cached_property
    def scales(self) -> list[Scale]:
        """Decode the flat arrays into one `Scale` for each window length."""
        scales, offset, start = [], 0, 0
        columns = (self.lengths.tolist(), self.counts.tolist(), self.usual_distances.tolist())
        for length, count, usual_distance in zip(*columns, strict=True):
            size = count * vector_length(length)
            content = self.vectors[offset : offset + size].astype(np.float32).reshape(count, -1)
            scales.append(Scale(length, usual_distance, Bank.of(content, self.times[start : start + count])))
            offset, start = offset + size, start + count
        return scales


def bank_ends(after_gap: Flags, length: int) -> Indices:
    """Return evenly spaced ends of at most `BANK` windows; windows across a gap only if fewer than 8 others exist."""
    broken = np.cumsum(after_gap)
    whole = np.flatnonzero(broken[length - 1 :] == broken[: len(broken) - length + 1]) + length - 1
    ends = whole if len(whole) >= 8 else np.arange(length - 1, len(after_gap))
    return ends[np.unique(np.linspace(0, len(ends) - 1, min(BANK, len(ends))).astype(np.int64))]


def window_lengths(points: int, period: int) -> list[int]:
    """Return the window lengths for so many points: `LENGTHS`, and half, one and two periods."""
    lengths = {*LENGTHS, *((max(period // 2, 8), period, 2 * period) if period >= 4 else ())}
    return sorted({min(length, max(points // 4, 4)) for length in lengths})
