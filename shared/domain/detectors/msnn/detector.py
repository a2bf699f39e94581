"""The detector, and its answers to questions about a state."""

import numpy as np

from shared.domain.detectors.contract import CENTRED, RETROSPECTIVE, Detector, Explanation, Need
from shared.domain.detectors.msnn.bank import vectors
from shared.domain.detectors.msnn.fitting import fit
from shared.domain.detectors.msnn.scoring import MIN_POINTS, centred, retrospective, score
from shared.domain.detectors.msnn.state import Msnn
from shared.domain.detectors.msnn.weighing import SMOOTHED, STRIDE
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import LONGEST_PERIOD
from shared.domain.series import Timestamps, Values


def explain(state: Msnn, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """What contributes most to the last value's score, and the most similar window, whose end is expected."""
    joined = state.standard.standardized(np.concatenate([context[-state.needed_points :], values]))
    sums = np.concatenate(([0.0], joined.cumsum()))
    end = np.array([len(joined) - 1])
    found, first = [], 0
    for length, usual, bank in zip(state.scales.tolist(), state.usual.tolist(), state.banks, strict=True):
        if length <= len(joined):
            distance, place = bank.nearest(vectors(sums, end, length))
            found.append((float(distance[0]) / usual, length, first + int(place[0])))
        first += len(bank.times)
    if not found:
        return Explanation()
    ratio, length, nearest = max(found)
    off_beat = state.rhythm.errors(joined, end, state.steps(timestamps[-1:]), 1)
    _, component = max(
        (ratio, f"the window of {length} points"),
        (1.8 * state.trust * float(state.errors(joined)[-1]), "the one-step forecast"),
        (1.8 * state.rhythm_trust * float(off_beat[0, 0]), "the place in the period"),
    )
    began = round(int(state.times[nearest]) - (length - 1) * state.interval_s)
    return Explanation(float(state.lasts[nearest]), component, began, ratio)


def needs(state: Msnn) -> Need:
    """The longest window, as often as it is smoothed."""
    return Need(state.needed_points, state.tail, state.last_timestamp, state.interval_s)


def learnt(state: Msnn) -> dict[str, float | str]:
    """Scales, period and what is promised."""
    return {
        "period_points": float(state.period),
        "longest_window_points": float(state.scales[-1]),
        "trust_in_forecast": state.trust,
        "trust_in_rhythm": state.rhythm_trust,
        "false_alarm_share": state.share,
        "promise": state.promise,
    }


DETECTOR = Detector(
    name="msnn",
    purpose="A stretch of values unlike any in the training values, at several lengths. The best for most series.",
    cost="A fraction of a second to fit at any length; a prediction takes about half a millisecond.",
    false_alarms="The share of training windows, each compared with those far from it, that were as unlike all others.",
    min_points=MIN_POINTS,
    context_points=2 * LONGEST_PERIOD - 1 + SMOOTHED - STRIDE,
    parameters=(AlarmRate(), Windows()),
    state=Msnn,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    modes={CENTRED: centred, RETROSPECTIVE: retrospective},
    explain=explain,
)
