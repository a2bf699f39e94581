"""Training scores: held-out verdicts on all training points.

Each regime of the history is judged by a state learned from it. The first points of a new regime are also judged by
the state of the previous one: the step between them is an event.
"""

from itertools import pairwise

import numpy as np

from shared.domain.detectors.contract import ParameterValues, Progress, Scores, ignore_progress
from shared.domain.detectors.witnesses.adapting import adapted
from shared.domain.detectors.witnesses.fitting import Learned, learn
from shared.domain.detectors.witnesses.judging import band, judge
from shared.domain.detectors.witnesses.looking import largest
from shared.domain.detectors.witnesses.state import Auto
from shared.domain.series import Series, Values

FEWEST_POINTS = 3  # of a regime that is learned from
FIRST = 16  # points of a regime that are also judged by the one before


def train(series: Series, parameters: ParameterValues, progress: Progress) -> tuple[Auto, Scores]:
    """Learn from the newest regime of n points; return the state and the scores (n,) of all of them."""
    newest = learn(series, parameters, progress, scored=len(series))
    regimes, end = [(newest, len(series))], newest.start
    while end >= FEWEST_POINTS:
        older = learn(_part(series, 0, end), parameters, ignore_progress, scored=end)
        regimes.append((older, end))
        end = older.start
    regimes.reverse()
    scores = np.zeros(len(series))
    for learned, stop in regimes:
        scores[learned.start : stop] = largest(learned.scores)
    for (older, stop), (_, next_stop) in pairwise(regimes):
        first = slice(stop, min(stop + FIRST, next_stop))
        context = series.values[:stop]
        judgment = judge(older.state, series.values[first], series.timestamps[first], context)
        scores[first] = np.maximum(scores[first], largest(judgment.scores))
    boundary, _ = adapted(scores, newest.state.alarm_rate)
    columns = [np.full((3, regimes[0][0].start), series.values[: regimes[0][0].start])]
    columns += [
        _band(learned, _part(series, learned.start, stop), boundary[learned.start : stop]) for learned, stop in regimes
    ]
    expected, lower, upper = np.concatenate(columns, axis=1)
    return newest.state, Scores(scores / boundary, expected, lower, upper, boundary)


def _part(series: Series, start: int, stop: int) -> Series:
    return Series(series.timestamps[start:stop], series.values[start:stop])


def _band(learned: Learned, regime: Series, boundary: Values) -> Values:
    """Return the held-out expectation and the edges of the band (3, m) of the points of a regime."""
    state = learned.state
    widths = state.widths(regime.timestamps)
    return np.array(band(state, learned.expected, *widths, boundary, regime.values, 0))
