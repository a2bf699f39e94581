"""Anomalies of a history: runs of flagged points, as people count them."""

from dataclasses import dataclass

import numpy as np

from api.charts.histories import History
from shared.domain.series import Values

GAP = 4  # flagged points at most this many points apart belong together
MAX_LISTED = 200


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A run of flagged points: its first and last point, and the one with the highest score."""

    first: int  # seconds since 1970, like the next two
    last: int
    peak: int
    value: float
    score: float
    direction: str  # high, low, or empty for an unusual shape

    @property
    def duration_s(self) -> int:
        """Seconds from the first to the last point."""
        return self.last - self.first


def anomalies(history: History) -> list[Anomaly]:
    """Return the anomalies in order; of more than `MAX_LISTED`, those with the highest scores."""
    scores = history.scores
    flagged = np.flatnonzero(scores.score > 1)
    if len(flagged) == 0:
        return []
    starts = np.flatnonzero(np.diff(scores.index[flagged], prepend=-2 * GAP) > GAP)
    runs = np.split(flagged, starts[1:])
    if len(runs) > MAX_LISTED:
        peaks = np.array([scores.score[run].max() for run in runs])
        runs = [runs[place] for place in np.sort(np.argsort(-peaks, kind="stable")[:MAX_LISTED])]
    return [_anomaly(history, run[0], run[-1], run[scores.score[run].argmax()]) for run in runs]


def count(history: History) -> int:
    """Return the number of all anomalies."""
    index = history.scores.index[history.scores.score > 1]
    return int(np.count_nonzero(np.diff(index, prepend=-2 * GAP) > GAP))


def _anomaly(history: History, first: np.intp, last: np.intp, peak: np.intp) -> Anomaly:
    """Return the anomaly between these places of the stored scores."""
    index, timestamps = history.scores.index, history.series.timestamps
    value = float(history.series.values[index[peak]])
    return Anomaly(
        first=int(timestamps[index[first]]),
        last=int(timestamps[index[last]]),
        peak=int(timestamps[index[peak]]),
        value=value,
        score=float(history.scores.score[peak]),
        direction=_direction(value, _at(history.scores.lower, peak), _at(history.scores.upper, peak)),
    )


def _at(column: Values | None, place: np.intp) -> float:
    return float("nan") if column is None else float(column[place])


def _direction(value: float, lower: float, upper: float) -> str:
    return "low" if value < lower else "high" if value > upper else ""
