"""Ensemble, retired: adds up the scores of msnn (the shape of the recent values) and robust (distance from the median).

A score s of either is treated as being as rare as s consecutive false alarms, -log10 p = -s * log10(rate). So a sum of
scores is a joint log-probability. The boundary of the sum is fixed: estimates on held-out data varied too much between
fits. At least one of the two must exceed its own boundary, so the false-positive rate is at most the sum of their
rates.

Its stored versions are judged as before, and jobs that an earlier release accepted are still fitted. Once no version of
it is left, delete this module.
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

BOUNDARY_SUM = 1.5  # sum of both scores at the boundary; about 1.4 if they were independent, 2 if identical


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The two fitted detectors whose scores are added."""

    stretch: Fitted  # msnn
    level: Fitted  # robust


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Ensemble:
    """Fit both detectors, each with its own boundary for the alarm rate."""
    level = robust.fit(series, parameters, ignore_progress)
    return Ensemble(
        Fitted(msnn.DETECTOR, msnn.DETECTOR.fit(series, parameters, progress)), Fitted(robust.DETECTOR, level)
    )


def score(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """Return the sum of both scores relative to the sum at the boundary, but at most the higher score."""
    stretch, level = _both_scores(state, values, timestamps, context)
    with np.errstate(over="ignore"):
        joint = (stretch + level) / BOUNDARY_SUM
    return Scores(np.minimum(joint, np.maximum(stretch, level)), None, None, None)


def _both_scores(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> list[Values]:
    return [fitted.score(values, timestamps, context).score for fitted in (state.stretch, state.level)]


def explain(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """Name the detector that scores the last value higher, and the most similar window in any case."""
    stretch, level = _both_scores(state, values, timestamps, context)
    why = state.stretch.explain(values, timestamps, context)
    component = "the distance from the median" if level[-1] > stretch[-1] else why.component
    return Explanation(why.expected, component, why.similar_from, why.similar_distance)


def needs(state: Ensemble) -> Need:
    """Return the values that msnn needs; robust needs none."""
    return state.stretch.needs()


def learnt(state: Ensemble) -> dict[str, float | str]:
    """Return the figures of msnn, with its rate to expect, and the level."""
    level = state.level.learnt()
    return {**state.stretch.learnt(), "median": level["median"], "deviation": level["deviation"]}


RETIRED = Detector(
    name="ensemble",
    purpose="Retired: values whose msnn and robust scores are jointly improbable. Use auto.",
    cost="About that of msnn, for fits and predictions.",
    false_alarms="At most the sum of the false-positive rates of msnn and robust.",
    min_points=msnn.DETECTOR.min_points,
    context_points=msnn.DETECTOR.context_points,
    parameters=(AlarmRate(), Windows()),
    state=Ensemble,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    expects=False,
    explain=explain,
)
