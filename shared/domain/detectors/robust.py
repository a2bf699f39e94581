"""Robust: like the baseline, but with medians, which tolerate outliers in up to half of the training values."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.alarms import IN_SAMPLE, Boundary, interval_of
from shared.domain.detectors.contract import Detector, Explanation, ParameterValues, Progress, Scores, banded
from shared.domain.detectors.incidents import drop_incident_distances
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import robust_spread
from shared.domain.series import Series, Timestamps, Values


@dataclass(frozen=True, slots=True)
class Robust:
    """Median and robust deviation of the training values, and where the band ends."""

    median: float
    deviation: float
    boundary: Boundary  # in deviations


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Robust:
    """Learn the median, 1.4826 times the median absolute deviation, and the boundary for the alarm rate."""
    median = float(np.median(series.values))
    deviation = max(robust_spread(series.values), float(np.spacing(0.0)))
    residuals = drop_incident_distances(np.abs(series.values - median) / deviation)
    boundary = Boundary.of(residuals, parameters["alarm_rate"], interval_of(series.timestamps), IN_SAMPLE)
    progress(1.0)
    return Robust(median, deviation, boundary)


def score(state: Robust, values: Values, _timestamps: Timestamps, _context: Values) -> Scores:
    """Score by distance from the median, in units of the band's half width."""
    ones = np.ones(len(values))
    with np.errstate(over="ignore"):
        half_width = ones * state.deviation * state.boundary.value
    return banded(values, ones * state.median, half_width)


def explain(_state: Robust, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    return Explanation(component="the distance from the median")


def learnt(state: Robust) -> dict[str, float | str]:
    """Return median, deviation, threshold and rate to expect."""
    return {
        "median": state.median,
        "deviation": state.deviation,
        "threshold": state.boundary.value,
        "promise": state.boundary.promise,
    }


DETECTOR = Detector(
    name="robust",
    purpose="Values far from the training median. For series without seasonality, with incidents in the training data.",
    cost="Fit: one sort of the training values. Prediction: one subtraction and one division.",
    false_alarms="Share of training values outside the band (in-sample: only two numbers are learned).",
    min_points=3,
    context_points=0,
    parameters=(AlarmRate(), Windows()),
    state=Robust,
    fit=fit,
    score=score,
    learnt=learnt,
    explain=explain,
)
