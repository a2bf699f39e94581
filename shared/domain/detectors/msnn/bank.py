"""Windows of a series as short vectors, and nearest-neighbor search in a bank of them.

A window becomes the means of at most 32 equal blocks, minus the window's mean, and 0.3 times that mean. So Euclidean
distance compares shapes first and levels second. Windows are not divided by their own deviation, so a noisy stretch
stays different from a quiet one.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shared.domain.detectors.standards import Indices
from shared.domain.series import Flags, Values

BLOCKS = 32
LEVEL = 0.3
ROWS = 2_048  # of the distance matrix computed at a time: 4 MB with a bank of 512 windows
FEWEST_IN_A_ROW = 64  # consecutive windows, from which on their vectors are computed without indices

Vectors = NDArray[np.float32]

LENGTHS = (16, 32, 64, 128)
BANK = 512  # windows of each length in a state,
BATCH_BANK = 2_048  # and of a batch that is compared with itself, which no state has to store


def block_points(length: int) -> int:
    """Return the number of values in each block of a window of `length` values."""
    return -(-length // BLOCKS)


def vector_length(length: int) -> int:
    """Return the dimension of the vector of a window of `length` values."""
    return length // block_points(length) + 1


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns that hold the vectors of windows of s lengths, one length after another: d columns in all."""

    lengths: Indices  # (s,) points
    widths: Indices  # (s,) columns of each length
    last: Indices  # (s,) last column of each length, which holds the level
    number: Indices  # (d,) index of the length of each column
    offsets: Indices  # (d,) points from the edges of the blocks to the end of the window
    points: Values  # (d,) of a block
    roots: Values  # (d,) of the number of blocks

    @classmethod
    @lru_cache(maxsize=512)
    def of(cls, lengths: tuple[int, ...]) -> "Layout":
        """Lay out the vectors of windows of these lengths."""
        points = [block_points(length) for length in lengths]
        widths = np.array([vector_length(length) for length in lengths])
        return cls(
            lengths=np.array(lengths),
            widths=widths,
            last=np.cumsum(widths) - 1,
            number=np.repeat(np.arange(len(lengths)), widths),
            offsets=np.concatenate(
                [block * np.arange(width - 1, -1, -1) for block, width in zip(points, widths, strict=True)]
            ),
            points=np.repeat(np.array(points, dtype=np.float64), widths),
            roots=np.repeat(np.sqrt(widths - 1), widths),
        )


def vectors(sums: Values, ends: Indices, layout: Layout) -> Vectors:
    """Return the vectors (m, d) of the windows of each length that end at `ends` (m,).

    sums: (n + 1,) cumulative sums of the standardized values, starting at 0. The vector of a window that begins before
    the first value has no meaning.
    """
    if len(ends) >= FEWEST_IN_A_ROW and ends[-1] - ends[0] == len(ends) - 1:
        return _vectors_in_a_row(sums, int(ends[0]), len(ends), layout)
    after = ends[:, None] + 1
    edges = sums[np.maximum(after - layout.offsets, 0)]
    means = (sums[after] - sums[np.maximum(after - layout.lengths, 0)]) / layout.lengths
    blocks = np.empty_like(edges)
    np.subtract(edges[:, 1:], edges[:, :-1], out=blocks[:, :-1])
    blocks[:, -1] = 0.0
    blocks /= layout.points
    blocks -= means[:, layout.number]
    blocks /= layout.roots
    blocks[:, layout.last] = LEVEL * means  # there, the difference is one between two lengths
    vectors: Vectors = blocks.astype(np.float32)
    return vectors


def _vectors_in_a_row(sums: Values, first: int, count: int, layout: Layout) -> Vectors:
    """Return the same vectors (count, d) of windows that end at consecutive points, in a third of the time.

    The edges of their blocks are consecutive as well, so no index has to be computed.
    """
    longest = int(layout.lengths[-1])
    padded = np.concatenate((np.full(max(longest - first - 1, 0), sums[0]), sums[max(first + 1 - longest, 0) :]))
    after = padded[longest : longest + count]  # the sums up to the end of each window
    vectors = np.empty((count, len(layout.number)), dtype=np.float32)
    columns = (layout.lengths.tolist(), layout.widths.tolist(), layout.last.tolist())
    for length, width, last in zip(*columns, strict=True):
        points, blocks = block_points(length), width - 1
        start = longest - points * blocks
        edges = sliding_window_view(padded[start : longest + count], points * blocks + 1)[:, ::points]
        means = (after - padded[longest - length : longest - length + count]) / length
        differences = edges[:, 1:] - edges[:, :-1]
        differences /= points
        differences -= means[:, None]
        differences /= math.sqrt(blocks)
        vectors[:, last - blocks : last] = differences
        vectors[:, last] = LEVEL * means
    return vectors


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


def bank_ends(after_gap: Flags, length: int, most: int) -> Indices:
    """Return evenly spaced ends of at most `most` windows; windows across a gap only if fewer than 8 others exist."""
    broken = np.cumsum(after_gap)
    whole = np.flatnonzero(broken[length - 1 :] == broken[: len(broken) - length + 1]) + length - 1
    ends = whole if len(whole) >= 8 else np.arange(length - 1, len(after_gap))
    return ends[np.unique(np.linspace(0, len(ends) - 1, min(most, len(ends))).astype(np.int64))]


def window_lengths(points: int, period: int) -> list[int]:
    """Return the window lengths for so many points: `LENGTHS`, and half, one and two periods."""
    lengths = {*LENGTHS, *((max(period // 2, 8), period, 2 * period) if period >= 4 else ())}
    return sorted({min(length, max(points // 4, 4)) for length in lengths})
