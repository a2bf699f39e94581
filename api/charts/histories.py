"""The history of a version: the points it was fitted on and what it says of them; a span of it as a chart shows it."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.artifacts import Artifacts
from shared.caching import Cache
from shared.domain.series import Series, Timestamps, Values
from shared.domain.thinning import extremes, peaks
from shared.domain.training_scores import TrainingScores
from shared.domain.versions import Version

FEWEST_SHOWN, MOST_SHOWN, USUALLY_SHOWN = 16, 20_000, 4_000
SCALES = np.round(np.geomspace(0.2, 5.0, 141), 4)  # other thresholds to compare with, as multiples of the version's own


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A span of a history: columns (m,). NaN stands where the detector, or the stored scores, say nothing."""

    timestamps: Timestamps
    values: Values
    score: Values
    expected: Values
    lower: Values
    upper: Values
    points: int  # of the series in the span, shown or not
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
        """How many of the stored scores exceed each of `SCALES`: what fires when the threshold is that much higher.

        A longer series stores one score for each block of points, so that each stands for at least one point.
        """
        ordered = np.sort(self.scores.score)
        counts: list[int] = (len(ordered) - np.searchsorted(ordered, SCALES, side="right")).tolist()
        return counts

    def excerpt(self, first: int, last: int, at_most: int) -> Excerpt:
        """The points from `first` to `last`, in seconds, both included: all of them, or `at_most` (>= 16) that matter.

        Half of those outline the values: smallest and largest of each slice. A quarter are the highest score of each
        slice, and a quarter all anomalies, if so few are enough: else those with the highest score of each slice.
        """
        start, end = np.searchsorted(self.series.timestamps, (first, last + 1)).tolist()
        scored = slice(*np.searchsorted(self.scores.index, (start, end)).tolist())
        index, score = self.scores.index[scored], self.scores.score[scored]
        anomalies = np.flatnonzero(score > 1)
        if end - start <= at_most:
            shown = np.arange(start, end)
        else:
            outline = start + extremes(self.series.values[start:end], at_most // 2)
            few = anomalies if len(anomalies) <= at_most // 4 else anomalies[:0]
            shown = np.unique(np.concatenate((outline, index[peaks(score, at_most // 4)], index[few])))
        return Excerpt(
            timestamps=self.series.timestamps[shown],
            values=self.series.values[shown],
            score=self._at(shown, self.scores.score),
            expected=self._at(shown, self.scores.expected),
            lower=self._at(shown, self.scores.lower),
            upper=self._at(shown, self.scores.upper),
            points=end - start,
            anomalies=len(anomalies),
        )

    def _at(self, shown: NDArray[np.intp], column: NDArray[np.floating[Any]] | None) -> Values:
        """The column's values (m,) at these points of the series; NaN where none is stored."""
        found = np.full(len(shown), np.nan)
        if column is not None:
            place = np.searchsorted(self.scores.index, shown).clip(max=len(column) - 1)
            stored = self.scores.index[place] == shown
            found[stored] = column[place[stored]]
        return found


def nullable(column: Values) -> list[float | None]:
    """The column as JSON can say it: None instead of NaN."""
    return [None if number != number else number for number in column.tolist()]  # noqa: PLR0124 - NaN alone differs


class Histories:
    """Reads histories. They never change, so they are kept in memory, up to a number of bytes."""

    def __init__(self, artifacts: Artifacts, cache_bytes: int) -> None:
        self._artifacts = artifacts
        self._cache: Cache[str, History] = Cache(cache_bytes)

    def of(self, version: Version) -> History:
        """The version's history; `DamagedError` when a file of it is not what was stored."""
        key = version.scores.key  # names series, job and attempt
        if kept := self._cache.get(key):
            return kept
        series = Series.decode(self._artifacts.data.get(version.data))
        history = History(series, TrainingScores.decode(self._artifacts.states.get(version.scores)))
        self._cache.put(key, history, history.size)
        return history
