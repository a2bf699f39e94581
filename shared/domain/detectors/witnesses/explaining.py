"""Explaining: the decisive witness, the direction, the rarity of the score, and the most similar training window."""

import numpy as np

from shared.domain.detectors.contract import Explanation
from shared.domain.detectors.witnesses.counters import increments
from shared.domain.detectors.witnesses.judging import Judgment, filled, judge
from shared.domain.detectors.witnesses.state import Auto
from shared.domain.series import Timestamps, Values

NAMES = {
    "level": "the level",
    "forecast": "the forecast",
    "recent": "the mean or the noise of the last values",
    "stuck": "how long the value has repeated",
    "season": "the usual value at this time",
    "vocabulary": "the set of known values",
    "shape": "the shape of the last stretch",
}


def explain(state: Auto, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """Explain the score of the last of values (m,) at timestamps (m,), with the values (k,) before them."""
    judgment = judge(state, values, timestamps, context)
    newest = {name: float(scores[-1]) for name, scores in judgment.scores.items()}
    witness = max(newest, key=lambda name: np.nan_to_num(newest[name]))
    similar = _most_similar(state, filled(np.concatenate((context, values)))[0])
    return Explanation(
        component=NAMES[witness],
        similar_from=similar[0] if similar else None,
        similar_distance=similar[1] if similar else None,
        direction=_direction(judgment, witness, float(values[-1])),
        once_in_s=_once_in_s(state, judgment),
        abstaining=tuple(NAMES[name] for name, score in newest.items() if np.isnan(score)),
    )


def _direction(judgment: Judgment, witness: str, value: float) -> str:
    if witness in ("level", "season", "forecast"):
        return "high" if value > judgment.expected[-1] else "low"
    return "shape"


def _once_in_s(state: Auto, judgment: Judgment) -> float | None:
    """Return the usual time between two normal points with such a score; None if the score is not in the tail."""
    share = state.tail.share_beyond(float(judgment.verdicts.score[-1] * judgment.boundary[-1]))
    return None if share is None else state.end.interval_s / share


def _most_similar(state: Auto, known: Values) -> tuple[int, float] | None:
    """Return when the training window most similar to the last one of the values known (n,) began, and its distance."""
    if state.shape is None:
        return None
    if state.usual_increment:
        known = increments(known, state.usual_increment)
    window = state.shape.most_similar(state.scale.standardized(known[-state.window :]))
    if window is None:
        return None
    length, end, distance = window
    return end - round((length - 1) * state.end.interval_s), distance
