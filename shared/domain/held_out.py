"""Held-out training scores: each training point judged by a state that has not seen it.

A state that has seen an incident calls it normal: the incident has widened the spread, or is one of the stretches that
points are compared with. So the chart of a version would show nothing where its user remembers an outage.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from shared.domain.detectors.contract import Fitted, ParameterValues, Scores, ignore_progress
from shared.domain.detectors.parameters import complete
from shared.domain.series import Series, Values
from shared.domain.training_scores import joined, judged
from shared.errors import InputError

FOLDS = 3  # contiguous: more of them cost more fits, fewer leave too little to learn from
NOT_PROMISED = "Not promised"  # how a withdrawn promise begins
BROKEN, MIN_BROKEN = 3.0, 5  # a promise is broken above this multiple of the alarm rate, from this many alarms on


def by_folds(fitted: Fitted, series: Series, parameters: ParameterValues, check: Callable[[], object]) -> Scores:
    """Score the n points that a state was fitted to, each third of them by a state fitted to the other two.

    `fitted` itself judges a third if the other two are not learnable: the series is short, or only this third varies.
    The band is always that of `fitted`, which also judges new points. `check` runs before each block of points and may
    raise to stop.
    """
    completed = complete(fitted.detector.parameters, parameters)
    edges = np.linspace(0, len(series), FOLDS + 1).astype(np.int64).tolist()
    parts = []
    for start, stop in pairwise(edges):
        check()
        if start < stop:
            state = _without(fitted, series, slice(start, stop), completed)
            parts.append(judged(state, series, check, start, stop))
    scores = joined(parts)
    if scores.expected is None:
        return scores
    return replace(judged(fitted, series, check), score=scores.score)


def _without(fitted: Fitted, series: Series, fold: slice, parameters: ParameterValues) -> Fitted:
    """Fit to the points outside of the fold."""
    rest = Series(np.delete(series.timestamps, fold), np.delete(series.values, fold))
    try:
        rest.check_learnable(fitted.detector.min_points)
        return Fitted(fitted.detector, fitted.detector.fit(rest, parameters, ignore_progress))
    except InputError:
        return fitted


def with_excluded(
    scores: Scores, learned_from: Series, fitted: Fitted, series: Series, check: Callable[[], object]
) -> Scores:
    """Extend the scores (m,) of the points that were learned from to the scores (n,) of all points.

    The state has not seen the points that `exclude` names, so it judges these itself.
    """
    if len(learned_from) == len(series):
        return scores
    every = judged(fitted, series, check)
    places = np.searchsorted(series.timestamps, learned_from.timestamps)
    columns = (
        (scores.score, every.score),
        (scores.expected, every.expected),
        (scores.lower, every.lower),
        (scores.upper, every.upper),
    )
    for held_out, all_points in columns:
        if held_out is not None and all_points is not None:
            all_points[places] = held_out
    return every


def checked_promise(promise: str, alarm_rate: float, score: Values) -> str:
    """Withdraw the promise of a state if the newest third of its n training points did not keep it.

    score: (n,) held out: the newest third was judged by what was learned before, as new points will be.
    """
    newest = score[-(len(score) // FOLDS) :]
    alarms = int(np.count_nonzero(newest > 1))
    if alarms < MIN_BROKEN or alarms <= BROKEN * alarm_rate * len(newest):
        return promise
    return (
        f"{NOT_PROMISED}: of the newest {len(newest):,} training points, {alarms / len(newest):.1%} are anomalies when "
        f"judged by the others, {alarms / len(newest) / alarm_rate:,.0f} times the alarm rate. Expect the same of new "
        "points, unless there was an incident."
    )
