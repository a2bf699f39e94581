"""Histories: the training points of a version with their scores and band, and excerpts of them for charts."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.sharing import Turns
from shared.artifacts import Artifacts
from shared.caching import Cache
from shared.domain.series import Series, Timestamps, Values
from shared.domain.thinning import extremes, peaks
from shared.domain.training_scores import TrainingScores
from shared.domain.versions import Version

MIN_SHOWN, MAX_SHOWN, DEFAULT_SHOWN = 16, 20_000, 4_000  # points of an excerpt
SCALES = np.round(np.geomspace(0.2, 5.0, 141), 4)  # thresholds to compare, as multiples of the version's threshold


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A span of a history, as columns (m,). NaN: the detector has no such value, or none is stored."""

    timestamps: Timestamps
    values: Values
    score: Values
    expected: Values
    lower: Values
    upper: Values
    points: int  # of the series in the span, including those not in the excerpt
    anomalies: int  # among the stored scores in the span


@dataclass(frozen=True)
class History:
    """Training data and training scores of one version."""

    series: Series
    scores: TrainingScores

    @property
    def size(self) -> int:
        """Bytes in memory."""
        columns = (getattr(self.scores, field.name) for field in fields(self.scores))
        arrays = (self.series.timestamps, self.series.values, *columns)
        return sum(array.nbytes for array in arrays if array is not None)

    @cached_property
    def firing(self) -> list[int]:
        """Number of stored scores above each of `SCALES`: the points flagged at the threshold times that scale.

        A long series stores one score per block of points, so each score stands for at least one point.
        """
        ordered = np.sort(self.scores.score)
        counts: list[int] = (len(ordered) - np.searchsorted(ordered, SCALES, side="right")).tolist()
        return counts

    @cached_property
    def flagged(self) -> int:
        """Number of stored scores above 1, the decision boundary."""
        return int(np.count_nonzero(self.scores.score > 1))

    @property
    def typical_band(self) -> tuple[float | None, float | None]:
        """Median of the lower and of the upper bounds; None on a side without bounds."""
        return _median(self.scores.lower), _median(self.scores.upper)

    def excerpt(self, first: int, last: int, max_points: int) -> Excerpt:
        """Return the points from `first` to `last`, in seconds, both included, thinned to `max_points` (>= 16) points.

        Half of these are the smallest and largest values of slices, a quarter the highest scores of slices, and a
        quarter all anomalies. If the anomalies need more than a quarter, only those among the highest scores are kept.
        """
        start, end = np.searchsorted(self.series.timestamps, (first, last + 1)).tolist()
        score_slice = slice(*np.searchsorted(self.scores.index, (start, end)).tolist())
        index, score = self.scores.index[score_slice], self.scores.score[score_slice]
        anomalies = np.flatnonzero(score > 1)
        if end - start <= max_points:
            indices = np.arange(start, end)
        else:
            outline = start + extremes(self.series.values[start:end], max_points // 2)
            kept_anomalies = anomalies if len(anomalies) <= max_points // 4 else anomalies[:0]
            indices = np.unique(np.concatenate((outline, index[peaks(score, max_points // 4)], index[kept_anomalies])))
        return Excerpt(
            timestamps=self.series.timestamps[indices],
            values=self.series.values[indices],
            score=self._column(indices, self.scores.score),
            expected=self._column(indices, self.scores.expected),
            lower=self._column(indices, self.scores.lower),
            upper=self._column(indices, self.scores.upper),
            points=end - start,
            anomalies=len(anomalies),
        )

    def _column(self, indices: NDArray[np.intp], column: NDArray[np.floating[Any]] | None) -> Values:
        """Return a column of the scores (m,) at these points of the series; NaN where none is stored."""
        values = np.full(len(indices), np.nan)
        if column is not None:
            index = np.searchsorted(self.scores.index, indices).clip(max=len(column) - 1)
            is_stored = self.scores.index[index] == indices
            values[is_stored] = column[index[is_stored]]
        return values


def _median(column: NDArray[np.floating[Any]] | None) -> float | None:
    return None if column is None or np.isnan(column).all() else float(np.nanmedian(column))


class Histories:
    """Reads histories, and caches up to `cache_bytes` of them. Histories never change."""

    def __init__(self, artifacts: Artifacts, turns: Turns, cache_bytes: int) -> None:
        self._artifacts = artifacts
        self._turns = turns
        self._cache: Cache[str, History] = Cache(cache_bytes)

    def of(self, version: Version) -> History:
        """Return the version's history.

        Raises `DamagedError` if a file is missing or has changed, `UnavailableError` if the store is unavailable.
        """
        key = version.scores.key  # unique: contains series, job and attempt
        if cached := self._cache.get(key):
            return cached
        with self._turns:
            data, scores = self._artifacts.data.get(version.data), self._artifacts.states.get(version.scores)
        history = History(Series.decode(data), TrainingScores.decode(scores))
        self._cache.put(key, history, history.size)
        return history
