"""The NAB score, version 1.1 [Lavin, Ahmad: Evaluating real-time anomaly detection algorithms, 2015].

An early alarm inside a labeled window is worth more than a late one, and only the best alarm of a window counts. An
alarm outside a window costs more the farther it is from the preceding window; a missed window has a cost too. A perfect
score is 100; without any alarm it is 0. Each profile uses one threshold for the whole corpus, as NAB does.

NAB counts every point above the threshold, but a person needs only one alarm: `silence` suppresses alarms within this
many points of the previous one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.accuracy.measures import Labels, Scores, events

Places = NDArray[np.int64]

THRESHOLDS = 500  # candidates, spaced evenly in the logarithm of the number of points above


@dataclass(frozen=True, slots=True)
class Profile:
    """Costs of a false alarm and a missed window; an alarm at the start of a window earns 1."""

    false_alarm: float
    missed: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(0.11, 1.0),
    "low_fp": Profile(0.22, 1.0),
    "low_fn": Profile(0.11, 2.0),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """A scored series after its probation: n points, and the unweighted value of an alarm at each."""

    scores: Scores
    worth: Scores
    window: Places  # index of the window that contains the point; -1 = none

    @classmethod
    def of(cls, scores: Scores, labels: Labels, probation: int) -> "Stream":
        """Compute the value of an alarm at each point after the first `probation` points."""
        worth, window = np.full(len(labels), -1.0), np.full(len(labels), -1)
        starts, ends = events(labels)
        for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            width = end - start + 1
            window[start : end + 1] = number
            worth[start : end + 1] = _sigmoid(-np.arange(width, 0, -1) / width) / _sigmoid(np.array(-1.0))
            worth[end + 1 :] = _sigmoid(np.arange(1, len(labels) - end) / max(width - 1, 1))
        return cls(scores[probation:], worth[probation:], window[probation:])


def _sigmoid(position: Scores) -> Scores:
    """Return 1 at the start of a window (-1), 0 at its end (0), and -1 from three widths after it."""
    near = 2 / (1 + np.exp(5 * np.minimum(position, 3.0))) - 1
    return np.where(position > 3, -1.0, near)


def alarms(scores: Scores, threshold: float, silence: int) -> Places:
    """Return the indices of scores that reach the threshold, each at least `silence` points after the previous one."""
    places = np.flatnonzero(scores >= threshold)
    if silence == 0:
        return places
    kept, index = [], 0
    while index < len(places):
        kept.append(index)
        index = int(np.searchsorted(places, places[index] + silence))
    return places[kept]


def nab(streams: Sequence[Stream], silence: int = 0) -> dict[str, float]:
    """Compute the score of each profile."""
    windows = sum(len(np.unique(stream.window[stream.window >= 0])) for stream in streams)
    ranked = -np.sort(-np.concatenate([stream.scores for stream in streams]))
    ranks = np.unique(np.geomspace(1, len(ranked), THRESHOLDS).astype(np.int64)) - 1
    outcomes = [(0.0, 0.0, 0)]  # without any alarm
    outcomes += [_outcome(streams, threshold, silence) for threshold in np.unique(ranked[ranks]).tolist()]
    scores = {}
    for name, profile in PROFILES.items():
        raw = [
            profile.false_alarm * outside + inside - profile.missed * (windows - detected)
            for outside, inside, detected in outcomes
        ]
        scores[name] = 100 * (max(raw) / windows + profile.missed) / (1 + profile.missed)
    return scores


def _outcome(streams: Sequence[Stream], threshold: float, silence: int) -> tuple[float, float, int]:
    """Return the value of alarms outside windows, the sum of the best per window, and the windows with alarms."""
    outside, inside = [0.0], [0.0]
    for stream in streams:
        places = alarms(stream.scores, threshold, silence)
        window, worth = stream.window[places], stream.worth[places]
        outside.append(float(worth[window < 0].sum()))
        inside += [float(worth[window == number].max()) for number in np.unique(window[window >= 0])]
    return math.fsum(outside), math.fsum(inside), len(inside) - 1
