"""Autoregression: a value is unusual when it is far from what the values just before it lead to expect."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors import alarms, forecasts
from shared.domain.detectors.contract import (
    LARGEST,
    Detector,
    Explanation,
    Need,
    ParameterValues,
    Progress,
    Scores,
    banded,
)
from shared.domain.detectors.forecasts import STRAIGHT_LAGS, Forecast
from shared.domain.detectors.incidents import FEW, calm
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.detectors.standards import Standard, is_after_gap, without_wild
from shared.domain.series import Series, Timestamps, Values

MIN_POINTS = 32
NARROWEST = 1e-3  # of the spread of the values: what is taken for noise where a forecast leaves none


@dataclass(frozen=True, slots=True)
class Autoregression:
    """Weights of the values before, and where the band around the forecast ends."""

    centre: float
    spread: float
    lags: int
    weights: Values  # (1 + lags,), of standardised values, oldest first
    deviation: float  # robust, of the forecast's errors, in spreads
    threshold: float  # in deviations
    skill: float
    promise: str
    last_timestamp: int
    interval_s: float
    tail: Values

    @property
    def standard(self) -> Standard:
        """How values are made comparable."""
        return Standard(self.centre, self.spread)


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Autoregression:
    """Ridge regression on at most 16 lags; held-out fifths choose the ridge and the boundary."""
    standard = Standard.of(series.values)
    values = without_wild(standard.standardised(series.values), few=FEW)
    trial = forecasts.trial(values, ~is_after_gap(series.timestamps), STRAIGHT_LAGS, 0)
    progress(0.9)
    deviation = max(1.4826 * float(np.median(trial.residuals)), NARROWEST)
    share = alarms.share_of(parameters["alarm_rate"], interval := alarms.interval_of(series.timestamps))
    residuals = calm(trial.residuals / deviation)
    progress(1.0)
    return Autoregression(
        centre=standard.centre,
        spread=standard.spread,
        lags=trial.forecast.lags,
        weights=trial.forecast.weights,
        deviation=deviation,
        threshold=alarms.boundary(residuals, share),
        skill=trial.skill,
        promise=alarms.promise(share, len(residuals)),
        last_timestamp=int(series.timestamps[-1]),
        interval_s=interval,
        tail=series.values[-trial.forecast.lags :].copy(),
    )


def score(state: Autoregression, values: Values, _timestamps: Timestamps, context: Values) -> Scores:
    """Distance from the forecast in units of the band's half width.

    Where less than all lags are known, the first known value stands for those before it; nothing is known before the
    first, of which the usual level is expected.
    """
    known = state.standard.standardised(np.concatenate((context[-state.lags :], values)))
    joined = np.concatenate((np.full(state.lags, known[0]), known[:-1]))
    forecast = Forecast(state.lags, 0, state.weights).of(joined)
    if len(known) == len(values):
        forecast[0] = 0.0
    with np.errstate(over="ignore"):
        expected = np.clip(state.centre + state.spread * forecast[-len(values) :], -LARGEST, LARGEST)
        half_width = np.full(len(values), np.float64(state.spread) * state.deviation * state.threshold)
    return banded(values, expected, half_width)


def explain(state: Autoregression, _values: Values, _timestamps: Timestamps, _context: Values) -> Explanation:
    """The forecast is all there is."""
    return Explanation(component=f"the forecast from the {state.lags} values before")


def needs(state: Autoregression) -> Need:
    """The lags."""
    return Need(state.lags, state.tail, state.last_timestamp, state.interval_s)


def learnt(state: Autoregression) -> dict[str, float | str]:
    """Lags, the error that is usual, and what is promised."""
    return {
        "lags": float(state.lags),
        "deviation": min(state.deviation * state.spread, LARGEST),
        "threshold": state.threshold,
        "skill": state.skill,
        "promise": state.promise,
    }


DETECTOR = Detector(
    name="ar",
    purpose="A value unlike the forecast from those before it. For smooth series and sudden jumps.",
    cost="Some hundredths of a second to fit at any length; a prediction is one short sum.",
    false_alarms="The share of points, held out by fifths, whose forecast missed by more than the band.",
    min_points=MIN_POINTS,
    context_points=STRAIGHT_LAGS,
    parameters=(AlarmRate(), Windows()),
    state=Autoregression,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    explain=explain,
)
