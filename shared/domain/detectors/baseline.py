"""Baseline: flags a value that is more than `threshold` standard deviations from the mean."""

import math
from dataclasses import dataclass, replace

import numpy as np

from shared.domain.detectors.alarms import IN_SAMPLE, Boundary, interval_of
from shared.domain.detectors.contract import (
    LARGEST,
    MAX_SCORE,
    Detector,
    Explanation,
    ParameterValues,
    Progress,
    Scores,
)
from shared.domain.detectors.incidents import drop_incident_distances, drop_incidents
from shared.domain.detectors.parameters import OFF, AlarmRate, Choice, Number, Windows
from shared.domain.series import Series, Timestamps, Values

SAFE_TO_SQUARE = (1e-100, 1e100)
MIN_INCIDENT_DEVIATIONS = 8.0  # standard deviations: if no value is farther out, none is an incident


@dataclass(frozen=True, slots=True)
class Baseline:
    """Mean and standard deviation of the training values, and where the band ends."""

    mean: float
    standard_deviation: float
    threshold: float  # in standard deviations
    direction: str
    promise: str = ""  # rate to expect; empty if a threshold was given instead


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Baseline:
    """Learn mean and standard deviation of the training values, without incidents."""
    mean, deviation, farthest = _moments(series.values)
    if farthest > MIN_INCIDENT_DEVIATIONS * deviation:
        mean, deviation, _ = _moments(drop_incidents(series.values))
    progress(1.0)
    state = Baseline(mean, deviation, parameters["threshold"], parameters["direction"])
    if parameters["alarm_rate"] == OFF:
        return state
    return _calibrated(state, series, parameters["alarm_rate"])


def _moments(values: Values) -> tuple[float, float, float]:
    """Return mean, population standard deviation and largest distance from the mean, in two passes.

    The first pass shifts the values by their mean, the second removes its rounding error. If the square of the largest
    deviation leaves the range of float64, the values are scaled by it. So neither a large offset (1e12 + noise) nor a
    tiny scale (1e-200) loses digits [Chan, Golub, LeVeque: Algorithms for computing the sample variance, 1983].
    """
    rough = float(values.mean())
    deviations = values - rough
    farthest = max(float(values.max()) - rough, rough - float(values.min()))
    scale = 1.0 if SAFE_TO_SQUARE[0] < farthest < SAFE_TO_SQUARE[1] else farthest
    if scale != 1.0:
        deviations /= scale  # not 0, because the values are not all equal
    correction = float(deviations.mean())
    spread = math.sqrt(max(float(np.dot(deviations, deviations)) / len(values) - correction**2, 0.0))
    return rough + correction * scale, max(spread * scale, math.ulp(0.0)), farthest


def _calibrated(state: Baseline, series: Series, alarm_rate: str) -> Baseline:
    """Replace the threshold with the boundary for the alarm rate on the training values.

    Only two numbers were learned, so in-sample residuals are as good as held-out ones.
    """
    deviations = score(replace(state, threshold=1.0), series.values, series.timestamps, np.empty(0)).score
    residuals = drop_incident_distances(deviations)
    boundary = Boundary.of(residuals, alarm_rate, interval_of(series.timestamps), IN_SAMPLE)
    return replace(state, threshold=boundary.value, promise=boundary.promise)


def score(state: Baseline, values: Values, _timestamps: Timestamps, _context: Values) -> Scores:
    """Score by distance from the mean, in units of the band's half width; 0 on the side that `direction` ignores."""
    with np.errstate(over="ignore"):
        distance = (values - state.mean) / state.standard_deviation / state.threshold
    half_width = state.standard_deviation * state.threshold
    lower, upper = max(state.mean - half_width, -LARGEST), min(state.mean + half_width, LARGEST)
    if state.direction == "both":
        distance = np.abs(distance)
    elif state.direction == "below":
        distance = -distance
    ones = np.ones(len(values))
    return Scores(
        score=np.clip(distance, 0.0, MAX_SCORE),
        expected=ones * state.mean,
        lower=None if state.direction == "above" else ones * lower,
        upper=None if state.direction == "below" else ones * upper,
    )


def explain(_state: Baseline, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    return Explanation(component="the distance from the mean")


def learnt(state: Baseline) -> dict[str, float | str]:
    """Return mean, standard deviation, threshold and, with an alarm rate, the rate to expect."""
    numbers: dict[str, float | str] = {
        "mean": state.mean,
        "standard_deviation": state.standard_deviation,
        "threshold": state.threshold,
    }
    return {**numbers, "promise": state.promise} if state.promise else numbers


DETECTOR = Detector(
    name="baseline",
    purpose="Values far from the training mean. For series without trend or seasonality.",
    cost="Fit: one pass over the training values. Prediction: one subtraction and one division.",
    false_alarms="1 in 370 normally distributed values at threshold 3; with alarm_rate, that rate, measured in-sample.",
    min_points=2,
    context_points=0,
    parameters=(
        Number("threshold", 3.0, "Largest normal distance from the mean, in standard deviations", above=0, most=1e6),
        Choice("direction", "both", "Side of the mean that can be anomalous", options=("both", "above", "below")),
        AlarmRate(OFF, purpose='Replaces the threshold: target false-positive rate, "1 in 1000" points or "1 per day"'),
        Windows(),
    ),
    state=Baseline,
    fit=fit,
    score=score,
    learnt=learnt,
    explain=explain,
)
