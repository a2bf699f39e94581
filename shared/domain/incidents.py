"""Suspected incidents in the training data, offered for the parameter `exclude` of the next fit."""

from itertools import pairwise

import numpy as np

from shared.domain.detectors.contract import Scores
from shared.domain.series import Timestamps

GAP = 5  # unusual points at most this far apart belong to the same stretch
FEWEST_POINTS, CLEAR_SCORE = 3, 2.0  # of a stretch: fewer points are an incident only with such a score
MAX_INCIDENTS = 20
MAX_SHARE = 0.1  # of the points: if more look like incidents, the series changed or the detector does not suit it


def suspected(timestamps: Timestamps, scores: Scores) -> list[list[int]]:
    """Return the first and last timestamp of each suspected incident, in order of time, at most `MAX_INCIDENTS`.

    timestamps: (n,); scores: (n,) held out. Absorbed points belong to an incident, but do not make one.
    """
    anomalies = scores.score > 1
    unusual = anomalies if scores.absorbed is None else anomalies | scores.absorbed
    places = np.flatnonzero(unusual)
    if not anomalies.any():
        return []
    edges = np.concatenate(([0], np.flatnonzero(np.diff(places) > GAP) + 1, [len(places)]))
    found = []
    for start, stop in pairwise(edges.tolist()):
        inside = places[start:stop]
        peak, count = float(scores.score[inside].max()), int(anomalies[inside].sum())
        if peak >= CLEAR_SCORE or (count >= 1 and len(inside) >= FEWEST_POINTS):
            found.append((float(scores.score[inside].sum()), int(inside[0]), int(inside[-1])))
    if sum(last - first + 1 for _, first, last in found) > MAX_SHARE * len(timestamps):
        return []
    worst = sorted(found, reverse=True)[:MAX_INCIDENTS]
    return [[int(timestamps[first]), int(timestamps[last])] for _, first, last in sorted(worst, key=lambda one: one[1])]
