"""Auto: picks the detector that finds injected anomalies best, among those that suit the series."""

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

MIN_CYCLE_GAIN = 0.5  # share of the error that a cycle must remove for `seasonal` to be a candidate
MIN_FORECAST_SKILL = 0.2  # share of the error that a forecast must remove for `ar` to be a candidate
MAX_DRIFT = 1.0  # spreads between the levels of both parts; beyond it, detectors with a fixed level are not candidates
MSNN_BONUS = 0.1  # lead that another detector needs over msnn, which finds most real events on most series
MIN_POINTS_TO_COMPARE = 64  # with fewer points, the held-out part is too short to compare detectors


@dataclass(frozen=True, slots=True)
class Auto:
    """The chosen detector, and the reasons."""

    chosen: Fitted
    why: str
    compared: tuple[str, ...]  # names of detectors
    precisions: Values  # of each compared detector
    period: int  # points; 0 = none found
    drift: float  # of the level, in spreads
    noise: float  # share of the error that neither forecast nor cycle removes


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Auto:
    """Compare the detectors that suit the series on a held-out part, and fit the best to the whole series."""
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
        f"robust: {len(series):,} points are too few to compare detectors; at least {MIN_POINTS_TO_COMPARE} are needed."
    )
    chosen = _fitted(robust.DETECTOR, series, parameters, progress)
    return Auto(chosen, why, compared=(), precisions=np.empty(0), period=0, drift=0.0, noise=1.0)


def _fitted(
    detector: Detector[Any], series: Series, parameters: ParameterValues, progress: Progress = ignore_progress
) -> Fitted:
    """Fit with the parameter that all detectors share; the excluded windows are gone already."""
    completed = complete(detector.parameters, {"alarm_rate": parameters["alarm_rate"]})
    return Fitted(detector, detector.fit(series, completed, progress))


def _candidates(
    learnable: Series, parameters: ParameterValues, drift: float, rhythm: Fitted, forecast: Fitted
) -> dict[str, Fitted]:
    """Return the detectors that suit the series, at least one, by name, fitted to its learnable part."""
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
    """Return each candidate's mean average precision on anomalies injected into the held-out part."""
    copies = list(injections(held_out.values, spread, period))
    precisions = {}
    for name, candidate in candidates.items():
        scores = [candidate.score(copy.values, held_out.timestamps, learnable.values).score for copy in copies]
        precisions[name] = float(np.mean(list(map(precision, scores, copies))))
    return precisions


def _sentence(best: str, precisions: Mapping[str, float], points: int, period: int, drift: float, skill: float) -> str:
    descending = sorted(precisions, key=lambda name: -precisions[name])
    figures = ", ".join(f"{name} {precisions[name]:.2f}" for name in descending)
    cycle = f"a period of {period} points" if period else "no period"
    return (
        f"{best}: mean average precision on anomalies injected into the newest part: {figures}; the choice adds "
        f"{MSNN_BONUS} to msnn. The series has {points:,} points, {cycle} and a drift of {drift:.2g} spreads. "
        f"A forecast removes {max(skill, 0.0):.0%} of the error."
    )


def score(state: Auto, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """Return the scores of the chosen detector."""
    return state.chosen.score(values, timestamps, context)


def explain(state: Auto, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """Return the explanation of the chosen detector."""
    return state.chosen.explain(values, timestamps, context)


def needs(state: Auto) -> Need:
    """Return the values that the chosen detector needs."""
    return state.chosen.needs()


def learnt(state: Auto) -> dict[str, float | str]:
    """Return the choice and its reasons, then what the chosen detector learned."""
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
    purpose="The detector that best finds anomalies injected into the newest part of the series. For when in doubt.",
    cost="Fit: up to a few seconds at any length. Prediction: that of the chosen detector.",
    false_alarms="That of the chosen detector, which the version names.",
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
