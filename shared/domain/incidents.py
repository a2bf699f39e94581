"""Suspected incidents in the training data, offered for the parameter `exclude` of the next fit."""

from itertools import pairwise

import numpy as np

from shared.domain.detectors.contract import Scores
from shared.domain.series import Flags, Series, Values

GAP = 5  # unusual points at most this far apart belong to the same stretch
FEWEST_POINTS, CLEAR_SCORE = 3, 2.0  # of a stretch: fewer points are an incident only with such a score
MAX_INCIDENTS = 20
MAX_SHARE = 0.1  # of the points: if more look like incidents, the series changed or the detector does not suit it


def suspected(series: Series, scores: Scores) -> list[list[int]]:
    """Return the first and last timestamp of each suspected incident, in order of time, at most `MAX_INCIDENTS`.

    scores: of all n points, held out. Absorbed points belong to an incident, but do not make one, and do not end one
    while the value is usual: after an incident, the windows of `auto` hold some of its points for a while.
    """
    anomalies = scores.score > 1
    unusual = anomalies if scores.absorbed is None else anomalies | scores.absorbed
    places = np.flatnonzero(unusual)
    if not anomalies.any():
        return []
    lasting = anomalies | _unusual_values(series.values, scores)
    edges = np.concatenate(([0], np.flatnonzero(np.diff(places) > GAP) + 1, [len(places)]))
    found = []
    for start, stop in pairwise(edges.tolist()):
        inside = places[start : stop - int(np.argmax(lasting[places[start:stop]][::-1]))]
        peak, count = float(scores.score[inside].max()), int(anomalies[inside].sum())
        if peak >= CLEAR_SCORE or (count >= 1 and stop - start >= FEWEST_POINTS):
            found.append((float(scores.score[inside].sum()), int(inside[0]), int(inside[-1])))
    if sum(last - first + 1 for _, first, last in found) > MAX_SHARE * len(series):
        return []
    worst = sorted(found, reverse=True)[:MAX_INCIDENTS]
    times = series.timestamps.tolist()
    return [[times[first], times[last]] for _, first, last in sorted(worst, key=lambda one: one[1])]


def _unusual_values(values: Values, scores: Scores) -> Flags:
    """Flag the values (n,) outside the band, at the width that it usually has; all of them without a band."""
    if scores.expected is None or scores.lower is None or scores.upper is None:
        return np.ones(len(values), dtype=np.bool_)
    above, below = np.nanmedian(scores.upper - scores.expected), np.nanmedian(scores.expected - scores.lower)
    return np.asarray((values > scores.expected + above) | (values < scores.expected - below), dtype=np.bool_)
