"""Shape: a stretch unlike any before, and forecast errors that are larger than usual.

Windows of several lengths are compared with training windows. A window becomes the means of its 8 equal blocks minus
its own mean, and 0.3 times that mean. It is not divided by its own deviation, so a noisy stretch stays different from a
quiet one. The distances from the nearest training windows, relative to the 99th percentile of such distances, are
averaged over the lengths.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.msnn.bank import Vectors, block_means
from shared.domain.detectors.standards import Indices, period_of
from shared.domain.detectors.witnesses.calibration import NEWEST, boundary
from shared.domain.detectors.witnesses.recent import trailing_mean
from shared.domain.series import Flags, Timestamps, Values

FEWEST_POINTS = 64
LENGTHS = (8, 16, 32, 64, 128)
BLOCKS, FINE = 8, 16  # most blocks of a window; up to this length, each point of a window is a block
BANK = 1_024  # windows of each length
SELF_SHARE = 0.15  # of the history: a training window is not compared with windows closer in time
CODES = 127  # vectors are rounded to integers of at most this magnitude
ROWS = 2_048  # of the distance matrix that are computed at a time
ERROR_WEIGHT, NEWEST_ERROR, RECENT_ERRORS, RECENT = 0.5, 0.6, 1.2, 16
LINEAR_UP_TO = 10.0  # larger ratios grow logarithmically, so that no single length decides


def vector_length(length: int) -> int:
    """Return the dimension of the vector of a window of `length` values."""
    return length // _step(length) + 1


def _step(length: int) -> int:
    """Return the points of a block."""
    return 1 if length <= FINE else -(-length // BLOCKS)


def vectors(sums: Values, ends: Indices, length: int) -> Vectors:
    """Return the windows of `length` values that end at `ends` (m,), as (m, vector_length).

    sums: (n + 1,) the cumulative sums of the standardized values, from 0.
    """
    return block_means(sums, ends, length, _step(length))


@dataclass(frozen=True, slots=True)
class Shape:
    """Training windows of s lengths, and what their distances and the forecast's errors usually are."""

    times: NDArray[np.int64]  # (k,) Unix seconds at which windows end, the same for every length
    lengths: NDArray[np.int64]  # (s,) points, increasing
    codes: NDArray[np.int8]  # vectors of k windows of each length one after another, in units of `steps`
    steps: Values  # (s,)
    usual_distances: Values  # (s,) 99th percentiles of the distances
    usual_error: float  # 99th percentile of the forecast errors
    trust: float  # in the forecast, 0 to 1
    boundary: float

    def ratios(self, values: Values, first: int, errors: Values | None) -> Values:
        """Return the ratios (m - first,) of standardized values (m,) from `first` on; errors (m,) of the forecast."""
        sums = np.concatenate(([0.0], np.cumsum(values)))
        total, count = np.zeros(len(values) - first), np.zeros(len(values) - first)
        for length, usual, bank in zip(
            self.lengths.tolist(), self.usual_distances.tolist(), self._banks(), strict=True
        ):
            ends = np.arange(max(first, length - 1), len(values))
            if len(ends):
                distances, _ = bank.nearest(vectors(sums, ends, length))
                total[ends - first] += compressed(distances / usual)
                count[ends - first] += 1
        scores = total / np.maximum(count, 1)
        if errors is not None:
            scores = scores + error_scores(errors, self.usual_error, self.trust)[first:]
        return scores / self.boundary

    def most_similar(self, values: Values) -> tuple[int, int, float] | None:
        """Find the training window most similar to the longest window at the end of standardized values (m,).

        Return its length, the time of its last point, and its distance, relative to the usual; None if there are too
        few values.
        """
        fitting = int(np.searchsorted(self.lengths, len(values), "right")) - 1
        if fitting < 0:
            return None
        length, sums = int(self.lengths[fitting]), np.concatenate(([0.0], np.cumsum(values)))
        distances, places = self._banks()[fitting].nearest(vectors(sums, np.array([len(values) - 1]), length))
        return length, int(self.times[places[0]]), float(distances[0] / self.usual_distances[fitting])

    def _banks(self) -> list["_Bank"]:
        """Decode the flat arrays. Decoding takes microseconds; storing floats would take four times the memory."""
        banks, at = [], 0
        for length, step in zip(self.lengths.tolist(), self.steps.tolist(), strict=True):
            size = len(self.times) * vector_length(length)
            banks.append(_Bank(self.codes[at : at + size].reshape(len(self.times), -1).astype(np.float32), step))
            at += size
        return banks


@dataclass(frozen=True, slots=True)
class _Bank:
    """Vectors (k, d) of training windows, in units of `step`."""

    codes: Vectors
    step: float

    def nearest(
        self, queries: Vectors, ends: Indices | None = None, bank_ends: Indices | None = None, reach: float = 0.0
    ) -> tuple[Values, Indices]:
        """Return the distances (m,) of `queries` (m, d) from their nearest windows, and the indices of these.

        With the ends of the queries (m,) and of the bank's windows (k,), windows closer in time than `reach` are
        excluded.
        """
        squares = np.einsum("ij,ij->i", self.codes, self.codes)
        scaled = queries / np.float32(self.step)
        nearest = np.empty(len(queries), dtype=np.int64)
        for start in range(0, len(queries), ROWS):
            part = slice(start, start + ROWS)
            matrix = squares - 2 * (scaled[part] @ self.codes.T)
            if ends is not None and bank_ends is not None:
                matrix[np.abs(ends[part, None] - bank_ends) < reach] = np.inf
            nearest[part] = matrix.argmin(axis=1)
        # the matrix has differences of large numbers, so the distance is computed again, exactly
        difference = scaled - self.codes[nearest]
        return self.step * np.sqrt(np.einsum("ij,ij->i", difference, difference)).astype(np.float64), nearest


def compressed(ratios: Values) -> Values:
    """Compress ratios (m,) above `LINEAR_UP_TO` logarithmically."""
    beyond = LINEAR_UP_TO + LINEAR_UP_TO * np.log(np.maximum(ratios, LINEAR_UP_TO) / LINEAR_UP_TO)
    return np.where(ratios <= LINEAR_UP_TO, ratios, beyond)


def error_scores(errors: Values, usual: float, trust: float) -> Values:
    """Return what forecast errors (m,) add to the distances: the newest one, and the RMS of the last 16."""
    ratios = compressed(np.abs(np.nan_to_num(errors)) / usual)
    return ERROR_WEIGHT * trust * (NEWEST_ERROR * ratios + RECENT_ERRORS * np.sqrt(trailing_mean(ratios**2, RECENT)))


def fit_shape(
    values: Values,
    usable: Flags,
    timestamps: Timestamps,
    errors: Values | None,
    skill: float,
    share: float,
    newest: int = NEWEST,
) -> tuple[Shape, Values] | None:
    """Learn training windows and usual distances; None for too short a history.

    values, usable, timestamps, errors: (n,); values are standardized, errors the held-out ones of the forecast.
    Also returns the ratios (n,) of the `newest` points, each compared with windows far from it; NaN for others.
    """
    points = len(values)
    if points < FEWEST_POINTS:
        return None
    sums, broken = np.concatenate(([0.0], np.cumsum(values))), np.concatenate(([0], np.cumsum(~usable)))
    lengths = _lengths(values)
    judged = np.arange(max(points - newest, lengths[-1] - 1), points)
    total = np.zeros(len(judged))
    ends = _bank_ends(broken, lengths[-1])
    usual_distances, steps, codes = [], [], []
    for length in lengths:
        bank = _encoded(vectors(sums, ends, length))
        reach = max(length, SELF_SHARE * points)
        distances, _ = bank.nearest(vectors(sums, judged, length), judged, ends, reach)
        usual_distances.append(float(np.quantile(distances[-NEWEST:], 0.99)) + 0.02)
        total += compressed(distances / usual_distances[-1]) / len(lengths)
        steps.append(bank.step)
        codes.append(bank.codes.astype(np.int8).ravel())
    usual_error, trust = 1.0, 0.0
    if errors is not None:
        usual_error = float(np.nanquantile(np.abs(errors[-NEWEST:]), 0.99)) + 1e-3
        trust = min(1.0, 2 * max(skill, 0.0))
        total += error_scores(errors[judged], usual_error, trust)
    scores = np.full(points, np.nan)
    scores[judged] = total
    scores[~usable] = np.nan
    shape = Shape(
        times=timestamps[ends],
        lengths=np.array(lengths, dtype=np.int64),
        codes=np.concatenate(codes),
        steps=np.array(steps),
        usual_distances=np.array(usual_distances),
        usual_error=usual_error,
        trust=trust,
        boundary=boundary(scores[-NEWEST:], share),
    )
    return shape, scores / shape.boundary


def _lengths(values: Values) -> list[int]:
    """Return window lengths: some that always help, and half, one and two periods if the values have one."""
    period = period_of(values)
    lengths = {*LENGTHS, *((max(period // 2, 8), period, 2 * period) if period else ())}
    return sorted({min(length, max(len(values) // 4, 4)) for length in lengths})


def _bank_ends(broken: Indices, length: int) -> Indices:
    """Return evenly spaced ends of at most `BANK` windows of `length` that hold no incident, unless nearly all do.

    broken: (n + 1,) how many of the points before each are inside incidents.
    """
    ends = np.arange(length - 1, len(broken) - 1)
    whole = ends[broken[ends + 1] == broken[ends + 1 - length]]
    ends = whole if len(whole) >= 8 else ends
    return ends[np.unique(np.linspace(0, len(ends) - 1, min(BANK, len(ends))).astype(np.int64))]


def _encoded(bank: Vectors) -> _Bank:
    step = max(float(np.abs(bank).max()) / CODES, 1e-9)
    return _Bank(np.round(bank / np.float32(step)), step)
