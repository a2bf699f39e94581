"""The detector, and the explanation of its scores."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from shared.domain.detectors.contract import CENTRED, RETROSPECTIVE, Detector, Explanation, Need
from shared.domain.detectors.msnn.bank import Layout, vectors
from shared.domain.detectors.msnn.fitting import fit
from shared.domain.detectors.msnn.scoring import MIN_POINTS, centered, retrospective, score
from shared.domain.detectors.msnn.state import Msnn
from shared.domain.detectors.msnn.weighing import BACK, LONE_ERROR_WEIGHT, cumulative
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import LONGEST_PERIOD
from shared.domain.series import Timestamps, Values


class Match(NamedTuple):
    """The training window nearest to the last window of some length. The greatest match is the most unusual."""

    ratio: float  # its distance, relative to the 99th percentile
    length: int
    window: int  # index among all training windows


def explain(state: Msnn, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """Return what contributes most to the last score, and the most similar window, whose last value is expected."""
    joined = state.standard.standardized(np.concatenate([context[-state.needed_points :], values]))
    matches = list(_matches(state, joined))
    if not matches:
        return Explanation()
    match = max(matches)
    last = np.array([len(joined) - 1])
    rhythm_errors = state.rhythm.errors(joined, last, state.steps(timestamps[-1:]), 1)
    contributions = {
        f"the window of the last {match.length} points": match.ratio,
        "the phase in the period": LONE_ERROR_WEIGHT * state.rhythm.trust * float(rhythm_errors[0, 0]),
        "the one-step forecast": LONE_ERROR_WEIGHT * state.forecast.trust * float(state.forecast.errors(joined)[-1]),
    }
    similar_from = round(int(state.windows.times[match.window]) - (match.length - 1) * state.end.interval_s)
    return Explanation(
        expected=float(state.windows.last_values[match.window]),
        component=max(contributions, key=lambda component: contributions[component]),
        similar_from=similar_from,
        similar_distance=match.ratio,
    )


def _matches(state: Msnn, joined: Values) -> Iterator[Match]:
    """Yield the nearest window of each length that fits."""
    sums, last, first = cumulative(joined), np.array([len(joined) - 1]), 0
    for scale in state.windows.scales:
        if scale.length <= len(joined):
            distances, indices = scale.bank.nearest(vectors(sums, last, Layout.of((scale.length,))))
            yield Match(float(distances[0]) / scale.usual_distance, scale.length, first + int(indices[0]))
        first += len(scale.bank.times)


def needs(state: Msnn) -> Need:
    """Return the values of the longest window, and those over which distances are smoothed."""
    return state.end.needs(state.needed_points)


def learnt(state: Msnn) -> dict[str, float | str]:
    """Return period, longest window, trusts, and rate to expect."""
    return {
        "period_points": float(state.period),
        "longest_window_points": float(state.windows.lengths[-1]),
        "trust_in_forecast": state.forecast.trust,
        "trust_in_rhythm": state.rhythm.trust,
        "false_alarm_share": state.share,
        "promise": state.boundary.promise,
    }


DETECTOR = Detector(
    name="msnn",
    purpose="Stretches of values unlike any in the training data. For batches whose future is known.",
    cost="Fit: a fraction of a second at any length. Prediction: about half a millisecond.",
    false_alarms="Share of held-out training windows above the boundary, each compared only with windows far from it. "
    "New points may exceed it far more often.",
    min_points=MIN_POINTS,
    context_points=2 * LONGEST_PERIOD - 1 + BACK,
    parameters=(AlarmRate(), Windows()),
    state=Msnn,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    expects=False,
    modes={CENTRED: centered, RETROSPECTIVE: retrospective},
    explain=explain,
)
