"""Windows of a series as short vectors, and how far each is from the nearest of a bank of others.

A window of `length` values becomes the means of at most 32 equal blocks of it, less the window's own mean, and 0.3 of
that mean: Euclidean distance between such vectors compares shapes first and levels second. Windows are not divided by
their own deviation: a loud stretch stays different from a quiet one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.standards import Places
from shared.domain.series import Flags, Values

BLOCKS = 32
LEVEL = 0.3
ROWS = 2_048  # of the distance matrix that exist at a time: with a bank of 512 windows, 4 MB

Vectors = NDArray[np.float32]

LENGTHS = (16, 32, 64, 128)
BANK = 512  # windows of each length


def vector_length(length: int) -> int:
    """How many numbers stand for a window of `length` values."""
    return length // -(-length // BLOCKS) + 1


def vectors(sums: Values, ends: Places, length: int) -> Vectors:
    """The windows of `length` values that end at `ends` (m,), as (m, vector_length) float32.

    sums: (n + 1,) the cumulative sums of the standardized values, from 0.
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
    """Windows to compare with: `vectors` (m, k), increasing; `times` (m,) of their last points, increasing."""

    vectors: Vectors
    times: Places
    factors: Vectors  # (k + 1, m): times a vector with a 1 appended, squared distances less the square of that vector

    @classmethod
    def of(cls, vectors: Vectors, times: Places) -> "Bank":
        """Precompute the factors that `nearest` multiplies by."""
        squares = np.einsum("ij,ij->i", vectors, vectors)
        return cls(vectors, times, np.ascontiguousarray(np.concatenate([-2 * vectors, squares[:, None]], axis=1).T))

    def nearest(self, wanted: Vectors, times: Places | None = None, reach: float = 0.0) -> tuple[Vectors, Places]:
        """Distances (n,) of `wanted` (n, k) from the nearest windows, and their places in the bank.

        With `times` (n,), windows of the bank nearer in time than `reach` do not count: they overlap the wanted one.
        """
        places = np.empty(len(wanted), dtype=np.int64)
        for start in range(0, len(wanted), ROWS):
            part = slice(start, start + ROWS)
            ones = np.ones((len(wanted[part]), 1), dtype=np.float32)
            matrix = np.concatenate([wanted[part], ones], axis=1) @ self.factors
            if times is not None:
                matrix[np.abs(times[part, None] - self.times[None, :]) < reach] = np.inf
            places[part] = matrix.argmin(axis=1)
        # the matrix is a difference of large numbers; the distance itself is taken once more, so that it is exact
        difference = wanted - self.vectors[places]
        return np.sqrt(np.einsum("ij,ij->i", difference, difference)), places


@dataclass(frozen=True, slots=True)
class Scale:
    """One window length."""

    length: int
    usual_distance: float  # from the nearest window; one in a hundred exceeds it
    bank: Bank


@dataclass(frozen=True)  # without slots: the banks are prepared once, on first use
class TrainingWindows:
    """The windows of the training values, shortest first, as flat arrays that a state can keep."""

    lengths: NDArray[np.int64]  # (s,), increasing
    counts: NDArray[np.int64]  # (s,) windows of each length
    vectors: NDArray[np.float16]  # all banks one after another
    times: NDArray[np.int64]  # (sum of counts,) of the last point of each window, in seconds since the epoch
    last_values: Values  # (sum of counts,) the value of that point
    usual_distances: Values  # (s,)

    @cached_property
    def scales(self) -> list[Scale]:
        """Decode the flat arrays into one `Scale` for each window length."""
        scales, at, start = [], 0, 0
        columns = (self.lengths.tolist(), self.counts.tolist(), self.usual_distances.tolist())
        for length, count, usual_distance in zip(*columns, strict=True):
            size = count * vector_length(length)
            content = self.vectors[at : at + size].astype(np.float32).reshape(count, -1)
            scales.append(Scale(length, usual_distance, Bank.of(content, self.times[start : start + count])))
            at, start = at + size, start + count
        return scales


def bank_ends(after_gap: Flags, length: int) -> Places:
    """Evenly spaced ends of at most `BANK` windows, none of them across a gap unless there is no other way."""
    broken = np.cumsum(after_gap)
    whole = np.flatnonzero(broken[length - 1 :] == broken[: len(broken) - length + 1]) + length - 1
    ends = whole if len(whole) >= 8 else np.arange(length - 1, len(after_gap))
    return ends[np.unique(np.linspace(0, len(ends) - 1, min(BANK, len(ends))).astype(np.int64))]


def window_lengths(points: int, period: int) -> list[int]:
    """Window lengths for so many points: some that always help, and half, one and two periods."""
    lengths = {*LENGTHS, *((max(period // 2, 8), period, 2 * period) if period >= 4 else ())}
    return sorted({min(length, max(points // 4, 4)) for length in lengths})
