"""Robust: like the baseline, but half of the training values may be wrong without moving the band."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.alarms import Boundary, interval_of
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
    """Median, 1.4826 of the median absolute deviation, and the distance that the alarm rate allows."""
    median = float(np.median(series.values))
    deviation = max(robust_spread(series.values), float(np.spacing(0.0)))
    residuals = drop_incident_distances(np.abs(series.values - median) / deviation)
    boundary = Boundary.of(residuals, parameters["alarm_rate"], interval_of(series.timestamps))
    progress(1.0)
    return Robust(median, deviation, boundary)


def score(state: Robust, values: Values, _timestamps: Timestamps, _context: Values) -> Scores:
    """Distance from the median in units of the band's half width."""
    everywhere = np.ones(len(values))
    with np.errstate(over="ignore"):
        half_width = everywhere * state.deviation * state.boundary.value
    return banded(values, everywhere * state.median, half_width)


def explain(_state: Robust, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    """Return the explanation; this detector has one component."""
    return Explanation(component="the distance from the median")


def learnt(state: Robust) -> dict[str, float | str]:
    """Median, deviation and threshold, and what the alarm rate promises."""
    return {
        "median": state.median,
        "deviation": state.deviation,
        "threshold": state.boundary.value,
        "promise": state.boundary.promise,
    }


DETECTOR = Detector(
    name="robust",
    purpose="A value far from the median. For series without rhythm whose training values hold incidents.",
    cost="A sort of the training values; a prediction is one subtraction and a division.",
    false_alarms="The share of the training values outside the band; two numbers were learnt from all of them.",
    min_points=3,
    context_points=0,
    parameters=(AlarmRate(), Windows()),
    state=Robust,
    fit=fit,
    score=score,
    learnt=learnt,
    explain=explain,
)
