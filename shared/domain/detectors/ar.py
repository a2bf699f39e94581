"""Autoregression: flags a value that is far from the one-step forecast from the values before it."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors import forecasts
from shared.domain.detectors.alarms import Boundary, interval_of
from shared.domain.detectors.contract import (
    LARGEST,
    Detector,
    Explanation,
    Need,
    ParameterValues,
    Progress,
    Scores,
    TrainingEnd,
    banded,
)
from shared.domain.detectors.forecasts import LINEAR_LAGS, Forecast
from shared.domain.detectors.incidents import MOST_INCIDENTS, drop_incident_distances
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import Standard, is_after_gap, without_outliers
from shared.domain.series import Series, Timestamps, Values

MIN_POINTS = 32
MIN_DEVIATION = 1e-3  # of the spread of the values: the noise that is assumed if the forecast leaves none


@dataclass(frozen=True, slots=True)
class Autoregression:
    """A one-step forecast, and where the band around it ends."""

    standard: Standard
    forecast: Forecast
    deviation: float  # robust deviation of the forecast errors, in spreads
    boundary: Boundary  # in deviations
    skill: float
    end: TrainingEnd


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Autoregression:
    """Fit a ridge regression on at most 16 lags; 5-fold cross-validation chooses the ridge and the boundary."""
    standard = Standard.of(series.values)
    values = without_outliers(standard.standardized(series.values), most_outliers=MOST_INCIDENTS)
    trial = forecasts.trial(values, ~is_after_gap(series.timestamps), LINEAR_LAGS, 0)
    progress(0.9)
    deviation = max(1.4826 * float(np.median(trial.residuals)), MIN_DEVIATION)
    residuals = drop_incident_distances(trial.residuals / deviation)
    interval_s = interval_of(series.timestamps)
    boundary = Boundary.of(residuals, parameters["alarm_rate"], interval_s)
    progress(1.0)
    return Autoregression(
        standard=standard,
        forecast=trial.forecast,
        deviation=deviation,
        boundary=boundary,
        skill=trial.skill,
        end=TrainingEnd.of(series, trial.forecast.lags, interval_s),
    )


def score(state: Autoregression, values: Values, _timestamps: Timestamps, context: Values) -> Scores:
    """Score by distance from the forecast, in units of the band's half width.

    If fewer values than lags are known, the first known value replaces the missing ones. Without any previous value,
    the forecast is the median.
    """
    standard, lags = state.standard, state.forecast.lags
    known = standard.standardized(np.concatenate((context[-lags:], values)))
    forecast = state.forecast.of(np.concatenate((np.full(lags, known[0]), known[:-1])))
    if len(known) == len(values):
        forecast[0] = 0.0
    with np.errstate(over="ignore"):
        expected = np.clip(standard.center + standard.spread * forecast[-len(values) :], -LARGEST, LARGEST)
        half_width = np.full(len(values), np.float64(standard.spread) * state.deviation * state.boundary.value)
    return banded(values, expected, half_width)


def explain(state: Autoregression, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    return Explanation(component=f"the forecast from the previous {state.forecast.lags} values")


def needs(state: Autoregression) -> Need:
    """Return the values that the forecast uses."""
    return state.end.needs(state.forecast.lags)


def learnt(state: Autoregression) -> dict[str, float | str]:
    """Return lags, typical error, boundary, skill and rate to expect."""
    return {
        "lags": float(state.forecast.lags),
        "deviation": min(state.deviation * state.standard.spread, LARGEST),
        "threshold": state.boundary.value,
        "skill": state.skill,
        "promise": state.boundary.promise,
    }


DETECTOR = Detector(
    name="ar",
    purpose="Values far from the one-step forecast. For smooth series and sudden jumps.",
    cost="Fit: a few hundredths of a second at any length. Prediction: one short sum.",
    false_alarms="Share of held-out points outside the band, measured by 5-fold cross-validation.",
    min_points=MIN_POINTS,
    context_points=LINEAR_LAGS,
    parameters=(AlarmRate(), Windows()),
    state=Autoregression,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    explain=explain,
)
