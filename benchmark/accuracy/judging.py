"""How a detector is put to a labelled series: it learns from what came before and judges what comes next."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.domain.detectors import learn
from shared.domain.detectors.contract import Detector, Fitted, ParameterValues, ignore_progress
from shared.domain.detectors.standards import period_of
from shared.domain.series import Series, Timestamps, Values
from shared.errors import InputError

REFIT_SHARE = 0.05  # of the history
EARLIER_S, WEEK_S = 10**9, 604_800


@dataclass(frozen=True, slots=True)
class Refits:
    """When a detector learns again: after `points` new ones, or 5 % more history if that is more; 0 = never."""

    points: int

    def spans(self, prefix: int, length: int) -> Iterator[tuple[int, int, int]]:
        """How much is learnt from, and the half-open span that is judged by that; together they cover all points."""
        start, learnt = 0, prefix
        while start < length:
            after = max(self.points, int(REFIT_SHARE * learnt)) if self.points else length
            end = min(learnt + after, length)
            yield learnt, start, end
            start = learnt = end


def judged(detector: Detector[Any], series: Series, prefix: int, refits: Refits, parameters: ParameterValues) -> Values:
    """Causal scores (n,) of all points; 0 where there is nothing yet that the detector can learn from."""
    scores, timestamps = np.zeros(len(series)), unrecognised(series, prefix)
    for learnt, start, end in refits.spans(prefix, len(series)):
        fitted = fitted_to(detector, first(series, learnt), parameters)
        if fitted is not None:
            span = slice(start, end)
            context = series.values[max(start - detector.needs(fitted.state).points, 0) : start]
            scores[span] = detector.score(fitted.state, series.values[span], timestamps[span], context).score
    return scores


def judged_at_once(detector: Detector[Any], mode: str, series: Series, prefix: int) -> Values:
    """Scores (n,) of all points as one batch, in a mode that looks at both sides of a point."""
    fitted = fitted_to(detector, first(series, prefix), {})
    if fitted is None:
        return np.zeros(len(series))
    return detector.modes[mode](fitted.state, series.values, unrecognised(series, prefix)).score


def fitted_to(detector: Detector[Any], series: Series, parameters: ParameterValues) -> Fitted | None:
    """The detector with what it learnt; None where it cannot learn from this."""
    try:
        series.check_learnable(detector.min_points)
        return learn(detector, series, parameters, ignore_progress)
    except InputError:
        return None


def first(series: Series, points: int) -> Series:
    """So many of its points."""
    return Series(series.timestamps[:points], series.values[:points])


def unrecognised(series: Series, prefix: int) -> Timestamps:
    """The timestamps (n,) with those of the prefix long before it.

    A detector may know its training points by their times and not compare a stretch with itself. Benchmarks ask for
    scores of the training points as of any others.
    """
    timestamps = series.timestamps.copy()
    interval = int(np.median(np.diff(timestamps)))
    rhythms = math.lcm(WEEK_S, interval * max(period_of(series.values[:prefix]), 1))
    timestamps[:prefix] -= rhythms * -(-EARLIER_S // rhythms)  # whole weeks and periods: the rhythms stay
    return timestamps
