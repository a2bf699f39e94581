"""Auto: the detector that finds injected anomalies best, among those that suit the series."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.domain.detectors import ar, msnn, robust, seasonal, spectral_residual
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
from shared.domain.detectors.injections import injections, precision, split
from shared.domain.detectors.parameters import AlarmRate, Windows, complete
from shared.domain.detectors.standards import Standard, period_of
from shared.domain.series import Series, Timestamps, Values

MIN_CYCLE_GAIN = 0.5  # share of the error that a cycle must take away, for its detector to be compared
MIN_FORECAST_SKILL = 0.2  # share of the error that a forecast must take away, to be compared
MAX_DRIFT = 1.0  # spreads between the levels of both parts, beyond which a fixed level is no candidate
MSNN_BONUS = 0.1  # by which another must find more than msnn, which finds most real events on most series
MIN_POINTS_TO_COMPARE = 64  # points, below which a held-out part shows nothing


@dataclass(frozen=True, slots=True)
class Auto:
    """The detector chosen, and why."""

    chosen: Fitted
    why: str
    compared: tuple[str, ...]  # names of detectors
    precisions: Values  # of each that was compared
    period: int  # points; 0 = none was found
    drift: float  # of the level, in spreads
    noise: float  # share of the error that no forecast takes away


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Auto:
    """Look at the series, compare what suits it on a part held out, and fit the best to all of it."""
    if len(series) < MIN_POINTS_TO_COMPARE:
        return _of_few_points(series, parameters, progress)
    learnable, held_out = split(series)
    standard = Standard.of(learnable.values)
    period = period_of(standard.standardized(learnable.values))
    drift = abs(float(np.median(standard.standardized(held_out.values))))
    rhythm = _fitted(seasonal.DETECTOR, learnable, parameters)
    forecast = _fitted(ar.DETECTOR, learnable, parameters)
    progress(0.2)
    candidates = _candidates(learnable, parameters, drift, rhythm, forecast)
    progress(0.4)
    precisions = _precisions(candidates, learnable, held_out, standard.spread, period)
    progress(0.6)
    best = max(precisions, key=lambda name: precisions[name] + (MSNN_BONUS if name == "msnn" else 0.0))
    skill = forecast.state.skill
    return Auto(
        chosen=_fitted(candidates[best].detector, series, parameters, lambda share: progress(0.6 + 0.4 * share)),
        why=_sentence(best, precisions, len(series), period, drift, skill),
        compared=tuple(precisions),
        precisions=np.array(list(precisions.values())),
        period=period,
        drift=drift,
        noise=1 - min(max(skill, rhythm.state.explained, 0.0), 1.0),
    )


def _of_few_points(series: Series, parameters: ParameterValues, progress: Progress) -> Auto:
    why = (
        f"robust: {len(series):,} points are too few to compare detectors; "
        f"from {MIN_POINTS_TO_COMPARE} on they are compared."
    )
    chosen = _fitted(robust.DETECTOR, series, parameters, progress)
    return Auto(chosen, why, compared=(), precisions=np.empty(0), period=0, drift=0.0, noise=1.0)


def _fitted(
    detector: Detector[Any], series: Series, parameters: ParameterValues, progress: Progress = ignore_progress
) -> Fitted:
    """Fit with the parameters that all detectors have; the windows to exclude are excluded already."""
    chosen = complete(detector.parameters, {"alarm_rate": parameters["alarm_rate"]})
    return Fitted(detector, detector.fit(series, chosen, progress))


def _candidates(
    learnable: Series, parameters: ParameterValues, drift: float, rhythm: Fitted, forecast: Fitted
) -> dict[str, Fitted]:
    """The detectors that suit the series, by name, fitted to its learnable part; at least one."""
    suitable = []
    if len(learnable) >= msnn.DETECTOR.min_points:
        suitable.append(_fitted(msnn.DETECTOR, learnable, parameters))
    if drift <= MAX_DRIFT:
        suitable.append(_fitted(robust.DETECTOR, learnable, parameters))
        if rhythm.state.explained >= MIN_CYCLE_GAIN:
            suitable.append(rhythm)
    elif len(learnable) >= spectral_residual.MIN_POINTS:
        suitable.append(_fitted(spectral_residual.DETECTOR, learnable, parameters))
    if forecast.state.skill >= MIN_FORECAST_SKILL or not suitable:
        suitable.append(forecast)
    return {candidate.detector.name: candidate for candidate in suitable}


def _precisions(
    candidates: Mapping[str, Fitted], learnable: Series, held_out: Series, spread: float, period: int
) -> dict[str, float]:
    """Mean average precision of each candidate on anomalies injected into the part held out."""
    copies = list(injections(held_out.values, spread, period))
    precisions = {}
    for name, candidate in candidates.items():
        scores = [candidate.score(copy.values, held_out.timestamps, learnable.values).score for copy in copies]
        precisions[name] = float(np.mean(list(map(precision, scores, copies))))
    return precisions


def _sentence(best: str, precisions: Mapping[str, float], points: int, period: int, drift: float, skill: float) -> str:
    descending = sorted(precisions, key=lambda name: -precisions[name])
    figures = ", ".join(f"{name} {precisions[name]:.2f}" for name in descending)
    rhythm = f"a period of {period}" if period else "no period"
    return (
        f"{best}: mean average precision on anomalies injected into the newest part: {figures}, where "
        f"{MSNN_BONUS} is added to msnn. The series has {points:,} points, {rhythm}, "
        f"a drift of {drift:.2g} spreads, and a forecast takes away {max(skill, 0.0):.0%} of the error."
    )


def score(state: Auto, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """The scores of the chosen detector."""
    return state.chosen.score(values, timestamps, context)


def explain(state: Auto, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """The explanation of the chosen detector."""
    return state.chosen.explain(values, timestamps, context)


def needs(state: Auto) -> Need:
    """The values that the chosen detector needs."""
    return state.chosen.needs()


def learnt(state: Auto) -> dict[str, float | str]:
    """The choice and its reasons, then what the chosen detector learned."""
    precisions = zip(state.compared, state.precisions.tolist(), strict=True)
    return {
        "chosen": state.chosen.detector.name,
        "why": state.why,
        **{f"precision_{name}": precision for name, precision in precisions},
        "period_points": float(state.period),
        "drift": state.drift,
        "noise": state.noise,
        **state.chosen.learnt(),
    }


DETECTOR = Detector(
    name="auto",
    purpose="Whichever detector finds anomalies best that are injected into the newest part of the series.",
    cost="Up to a few seconds to fit at any length; a prediction costs what one of the chosen detector does.",
    false_alarms="That of the detector chosen, which the version names.",
    min_points=robust.DETECTOR.min_points,
    context_points=msnn.DETECTOR.context_points,
    parameters=(AlarmRate(), Windows()),
    state=Auto,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    explain=explain,
)
