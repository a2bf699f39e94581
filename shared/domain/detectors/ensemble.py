"""Ensemble: how improbable a point is by two witnesses, the stretch that ends there and its distance from the median.

A score s of either is taken to be as rare as s points of the alarm rate in a row, -log10 p = -s * log10(rate), and the
sum of both is judged. The boundary of the sum is fixed and not estimated: estimates on a part held out varied too much
from fit to fit. One witness has to be surprised by itself, so that both rates together bound the false alarms.
"""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors import msnn, robust
from shared.domain.detectors.contract import (
    Detector,
    Explanation,
    Fitted,
    Need,
    ParameterValues,
    Progress,
    Scores,
    ignore_progress,
)
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.series import Series, Timestamps, Values

BOUNDARY_SUM = 1.5  # sum of both scores at the boundary; about 1.4 if they were independent, 2 if alike


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The two fitted detectors whose scores are added."""

    stretch: Fitted
    level: Fitted


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Ensemble:
    """Fit both witnesses, each with its own boundary for the alarm rate."""
    level = robust.fit(series, parameters, ignore_progress)
    return Ensemble(
        Fitted(msnn.DETECTOR, msnn.DETECTOR.fit(series, parameters, progress)), Fitted(robust.DETECTOR, level)
    )


def score(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """The sum of both scores in units of the sum at the boundary, and at most the higher score."""
    stretch, level = _witnesses(state, values, timestamps, context)
    with np.errstate(over="ignore"):
        together = (stretch + level) / BOUNDARY_SUM
    return Scores(np.minimum(together, np.maximum(stretch, level)), None, None, None)


def _witnesses(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> list[Values]:
    return [witness.score(values, timestamps, context).score for witness in (state.stretch, state.level)]


def explain(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """The witness that finds the last value rarer; the most similar window in any case."""
    stretch, level = _witnesses(state, values, timestamps, context)
    why = state.stretch.explain(values, timestamps, context)
    component = "the distance from the median" if level[-1] > stretch[-1] else why.component
    return Explanation(why.expected, component, why.similar_from, why.similar_distance)


def needs(state: Ensemble) -> Need:
    """The values that msnn needs, as robust needs none."""
    return state.stretch.needs()


def learnt(state: Ensemble) -> dict[str, float | str]:
    """What msnn learned, with its promise, and the level."""
    level = state.level.learnt()
    return {**state.stretch.learnt(), "median": level["median"], "deviation": level["deviation"]}


DETECTOR = Detector(
    name="ensemble",
    purpose="Points that are improbable as the end of a stretch and by their level together. For streams of alerts.",
    cost="That of msnn, to fit and to predict.",
    false_alarms="At most the shares of msnn and of robust together.",
    min_points=msnn.DETECTOR.min_points,
    context_points=msnn.DETECTOR.context_points,
    parameters=(AlarmRate(), Windows()),
    state=Ensemble,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    explain=explain,
)
