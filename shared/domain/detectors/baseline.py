"""The baseline: a value is unusual when it is more than `threshold` standard deviations from the mean."""

import math
from dataclasses import dataclass, replace

import numpy as np

from shared.domain.detectors.alarms import Boundary, interval_of
from shared.domain.detectors.contract import (
    LARGEST,
    Detector,
    Explanation,
    ParameterValues,
    Progress,
    Scores,
    clipped,
)
from shared.domain.detectors.incidents import drop_incident_distances, drop_incidents
from shared.domain.detectors.parameters import OFF, AlarmRate, Choice, Number, Windows
from shared.domain.series import Series, Timestamps, Values

SAFE_TO_SQUARE = (1e-100, 1e100)
MIN_INCIDENT_DEVIATIONS = 8.0  # deviations of the farthest value, below which no value can be an incident among so many


@dataclass(frozen=True, slots=True)
class Baseline:
    """Mean and standard deviation of the training values, and where the band ends."""

    mean: float
    standard_deviation: float
    threshold: float  # in standard deviations
    direction: str
    promise: str = ""  # of the alarm rate; empty where a threshold was given instead


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Baseline:
    """Learn mean and standard deviation of the training values, without incidents where some seem to be among them."""
    mean, deviation, farthest = _moments(series.values)
    if farthest > MIN_INCIDENT_DEVIATIONS * deviation:
        mean, deviation, _ = _moments(drop_incidents(series.values))
    progress(1.0)
    state = Baseline(mean, deviation, parameters["threshold"], parameters["direction"])
    if parameters["alarm_rate"] == OFF:
        return state
    return _calibrated(state, series, parameters["alarm_rate"])


def _moments(values: Values) -> tuple[float, float, float]:
    """Mean, population standard deviation, in two passes, and the largest distance from the mean.

    The values are first shifted by their own mean, whose rounding error the second mean takes away, and scaled by
    their largest deviation where its square leaves the range of float64, so that neither a large offset (1e12 + noise)
    nor a tiny scale (1e-200) loses digits [Chan, Golub, LeVeque: Algorithms for computing the sample variance, 1983].
    """
    rough = float(values.mean())
    deviations = values - rough
    farthest = max(float(values.max()) - rough, rough - float(values.min()))
    scale = 1.0 if SAFE_TO_SQUARE[0] < farthest < SAFE_TO_SQUARE[1] else farthest
    if scale != 1.0:
        deviations /= scale  # not all values are equal, so it is not 0
    correction = float(deviations.mean())
    spread = math.sqrt(max(float(np.dot(deviations, deviations)) / len(values) - correction**2, 0.0))
    return rough + correction * scale, max(spread * scale, math.ulp(0.0)), farthest


def _calibrated(state: Baseline, series: Series, alarm_rate: str) -> Baseline:
    """Replace the threshold by the one that the alarm rate allows on the training values.

    Only two numbers were learned from all of them, so their residuals are as good as those of held-out values.
    """
    deviations = score(replace(state, threshold=1.0), series.values, series.timestamps, np.empty(0)).score
    residuals = drop_incident_distances(deviations)
    boundary = Boundary.of(residuals, alarm_rate, interval_of(series.timestamps))
    return replace(state, threshold=boundary.value, promise=boundary.promise)


def score(state: Baseline, values: Values, _timestamps: Timestamps, _context: Values) -> Scores:
    """Distance from the mean in units of the band's half width; 0 on the side that `direction` ignores."""
    with np.errstate(over="ignore"):
        distance = (values - state.mean) / state.standard_deviation / state.threshold
    half_width = state.standard_deviation * state.threshold
    lower, upper = max(state.mean - half_width, -LARGEST), min(state.mean + half_width, LARGEST)
    if state.direction == "both":
        distance = np.abs(distance)
    elif state.direction == "below":
        distance = -distance
    everywhere = np.ones(len(values))
    return Scores(
        score=clipped(np.maximum(distance, 0.0)),
        expected=everywhere * state.mean,
        lower=None if state.direction == "above" else everywhere * lower,
        upper=None if state.direction == "below" else everywhere * upper,
    )


def explain(_state: Baseline, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    """Return the explanation; this detector has one component."""
    return Explanation(component="the distance from the mean")


def learnt(state: Baseline) -> dict[str, float | str]:
    """Mean, standard deviation and threshold, and what the alarm rate promises."""
    numbers: dict[str, float | str] = {
        "mean": state.mean,
        "standard_deviation": state.standard_deviation,
        "threshold": state.threshold,
    }
    return {**numbers, "promise": state.promise} if state.promise else numbers


DETECTOR = Detector(
    name="baseline",
    purpose="A value far from the mean of the training values. For series without trend or rhythm.",
    cost="One pass over the training values; a prediction is one subtraction and a division.",
    false_alarms="Of normally distributed values 1 in 370 at threshold 3; with alarm_rate, what that says.",
    min_points=2,
    context_points=0,
    parameters=(
        Number("threshold", 3.0, "How many standard deviations from the mean are still normal", above=0, most=1e6),
        Choice("direction", "both", "Which side of the mean can be unusual", options=("both", "above", "below")),
        AlarmRate(OFF, purpose='Instead of a threshold: acceptable false alarms, "1 in 1000" points or "1 per day"'),
        Windows(),
    ),
    state=Baseline,
    fit=fit,
    score=score,
    learnt=learnt,
    explain=explain,
)
