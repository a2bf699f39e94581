"""The NAB score, version 1.1 [Lavin, Ahmad: Evaluating real-time anomaly detection algorithms, 2015].

An alarm inside a labelled window is worth the more the earlier it comes, and only the best of a window counts; one
outside costs the more the farther it is from the window before it; a missed window costs as well. 100 is perfect, 0
is what silence earns. One threshold is chosen for the whole corpus, as NAB does, for each profile.

NAB counts every point above the threshold. People are told once: with `silence`, an alarm that follows another sooner
than so many points is not raised.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.accuracy.measures import Labels, Scores, events

Places = NDArray[np.int64]

THRESHOLDS = 500  # tried, evenly spaced by the logarithm of how many points exceed each


@dataclass(frozen=True, slots=True)
class Profile:
    """What a false alarm and a missed window cost; finding one at once earns 1."""

    false_alarm: float
    missed: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(0.11, 1.0),
    "low_fp": Profile(0.22, 1.0),
    "low_fn": Profile(0.11, 2.0),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """A scored series after its probation: points (n,), and what an alarm at each is worth before weighing."""

    scores: Scores
    worth: Scores
    window: Places  # which one a point lies in; -1 = none

    @classmethod
    def of(cls, scores: Scores, labels: Labels, probation: int) -> "Stream":
        """Grade the points after the first `probation`."""
        worth, window = np.full(len(labels), -1.0), np.full(len(labels), -1)
        starts, ends = events(labels)
        for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            width = end - start + 1
            window[start : end + 1] = number
            worth[start : end + 1] = _sigmoid(-np.arange(width, 0, -1) / width) / _sigmoid(np.array(-1.0))
            worth[end + 1 :] = _sigmoid(np.arange(1, len(labels) - end) / max(width - 1, 1))
        return cls(scores[probation:], worth[probation:], window[probation:])


def _sigmoid(position: Scores) -> Scores:
    """1 at the start of a window (-1), 0 at its end (0), -1 from three widths after it on."""
    near = 2 / (1 + np.exp(5 * np.minimum(position, 3.0))) - 1
    return np.where(position > 3, -1.0, near)


def alarms(scores: Scores, threshold: float, silence: int) -> Places:
    """Where scores reach the threshold, each at least `silence` points after the one before."""
    places = np.flatnonzero(scores >= threshold)
    if silence == 0:
        return places
    kept, at = [], 0
    while at < len(places):
        kept.append(at)
        at = int(np.searchsorted(places, places[at] + silence))
    return places[kept]


def nab(streams: Sequence[Stream], silence: int = 0) -> dict[str, float]:
    """The score of each profile."""
    windows = sum(len(np.unique(stream.window[stream.window >= 0])) for stream in streams)
    ranked = -np.sort(-np.concatenate([stream.scores for stream in streams]))
    ranks = np.unique(np.geomspace(1, len(ranked), THRESHOLDS).astype(np.int64)) - 1
    outcomes = [(0.0, 0.0, 0)]  # of no alarm at all
    outcomes += [_outcome(streams, threshold, silence) for threshold in np.unique(ranked[ranks]).tolist()]
    scores = {}
    for name, profile in PROFILES.items():
        raw = [
            profile.false_alarm * outside + inside - profile.missed * (windows - found)
            for outside, inside, found in outcomes
        ]
        scores[name] = 100 * (max(raw) / windows + profile.missed) / (1 + profile.missed)
    return scores


def _outcome(streams: Sequence[Stream], threshold: float, silence: int) -> tuple[float, float, int]:
    """Worth of the alarms outside, worth of the best inside each window, and how many windows have one."""
    outside, inside = [0.0], [0.0]
    for stream in streams:
        places = alarms(stream.scores, threshold, silence)
        window, worth = stream.window[places], stream.worth[places]
        outside.append(float(worth[window < 0].sum()))
        inside += [float(worth[window == number].max()) for number in np.unique(window[window >= 0])]
    return math.fsum(outside), math.fsum(inside), len(inside) - 1
