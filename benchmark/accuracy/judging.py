"""Evaluation of a detector on a labeled series: it learns from the past and scores the points that follow."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.domain.detectors import learn
from shared.domain.detectors.contract import Detector, Fitted, ParameterValues, Scores, ignore_progress
from shared.domain.detectors.standards import period_of
from shared.domain.series import Flags, Series, Timestamps, Values
from shared.errors import InputError

REFIT_SHARE = 0.05  # of the history
EARLIER_S, WEEK_S = 10**9, 604_800


@dataclass(frozen=True, slots=True)
class Refits:
    """Refit schedule: after `points` new points, or 5 % more history if that is more; 0 = never."""

    points: int

    def spans(self, prefix: int, length: int) -> Iterator[tuple[int, int, int]]:
        """Yield the number of points to learn from and the half-open span to score; the spans cover all points."""
        start, history = 0, prefix
        while start < length:
            new_points = max(self.points, int(REFIT_SHARE * history)) if self.points else length
            end = min(history + new_points, length)
            yield history, start, end
            start = history = end


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdicts on n points: ranks, which compare points of all times, and scores, which raise alarms."""

    ranks: Values
    scores: Values  # 1.0 is the boundary

    @classmethod
    def of(cls, scores: Scores) -> "Judged":
        """Undo the division by a changing boundary for the ranks; alarms still depend on it."""
        ranks = scores.score if scores.boundary is None else scores.score * scores.boundary
        return cls(ranks, scores.score)

    @property
    def anomalies(self) -> Flags:
        """Whether each point (n,) is an anomaly."""
        return self.scores > 1


def judged(detector: Detector[Any], series: Series, prefix: int, refits: Refits, parameters: ParameterValues) -> Judged:
    """Judge all points (n,) causally; rank 0 while the detector cannot learn from the history yet."""
    ranks, scores = np.zeros(len(series)), np.zeros(len(series))
    timestamps = unrecognized(series, prefix)
    for history, start, end in refits.spans(prefix, len(series)):
        fitted = fitted_to(detector, first(series, history), parameters)
        if fitted is not None:
            span = slice(start, end)
            context = series.values[max(start - detector.needs(fitted.state).points, 0) : start]
            part = Judged.of(detector.score(fitted.state, series.values[span], timestamps[span], context))
            ranks[span], scores[span] = part.ranks, part.scores
    return Judged(ranks, scores)


def judged_at_once(detector: Detector[Any], mode: str, series: Series, prefix: int) -> Judged:
    """Judge all points (n,) as one batch, in a mode that uses both sides of a point."""
    fitted = fitted_to(detector, first(series, prefix), {})
    if fitted is None:
        return Judged(np.zeros(len(series)), np.zeros(len(series)))
    return Judged.of(detector.modes[mode](fitted.state, series.values, unrecognized(series, prefix)))


def fitted_to(detector: Detector[Any], series: Series, parameters: ParameterValues) -> Fitted | None:
    """Fit the detector to a series; return None if it cannot learn from it."""
    try:
        series.check_learnable(detector.min_points)
        return learn(detector, series, parameters, ignore_progress)
    except InputError:
        return None


def first(series: Series, points: int) -> Series:
    """Return the first `points` points of a series."""
    return Series(series.timestamps[:points], series.values[:points])


def unrecognized(series: Series, prefix: int) -> Timestamps:
    """Return the timestamps (n,), with those of the prefix moved far into the past.

    A detector may recognize training points by their timestamps, to avoid comparing a span with itself. Benchmarks
    score training points like any others.
    """
    timestamps = series.timestamps.copy()
    interval = int(np.median(np.diff(timestamps)))
    rhythms = math.lcm(WEEK_S, interval * max(period_of(series.values[:prefix]), 1))
    timestamps[:prefix] -= rhythms * -(-EARLIER_S // rhythms)  # whole weeks and periods, to keep the rhythms
    return timestamps
