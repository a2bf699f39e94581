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

RHYTHMIC = 0.5  # share of the error that a cycle must take away, for its detector to be compared
FORECASTABLE = 0.2  # likewise of a forecast
DRIFTING = 1.0  # spreads between the levels of both parts, beyond which a fixed level is no candidate
MARGIN = 0.1  # by which a rival must find more than msnn, which finds most real events on most series
COMPARABLE = 64  # points, below which a held-out part shows nothing


@dataclass(frozen=True, slots=True)
class Auto:
    """The detector chosen, and why."""

    chosen: Fitted
    why: str
    compared: str  # names, with blanks between
    precisions: Values  # of each that was compared
    period: int  # points; 0 = none was found
    drift: float  # of the level, in spreads
    noise: float  # share of the error that no forecast takes away


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Auto:
    """Look at the series, compare what suits it on a part held out, and fit the best to all of it."""
    if len(series) < COMPARABLE:
        why = (
            f"robust: {len(series):,} points are too few to compare detectors; from {COMPARABLE} on they are compared."
        )
        chosen = Fitted(robust.DETECTOR, robust.fit(series, parameters, progress))
        return Auto(chosen, why, "", np.empty(0), 0, 0.0, 1.0)
    learnable, held_out = split(series)
    standard = Standard.of(learnable.values)
    period = period_of(standard.standardized(learnable.values))
    drift = abs(float(np.median(standard.standardized(held_out.values))))
    rhythm = seasonal.fit(learnable, _parameters(seasonal.DETECTOR, parameters), ignore_progress)
    forecast = ar.fit(learnable, parameters, ignore_progress)
    progress(0.2)
    rivals: dict[str, tuple[Detector[Any], Any]] = {}
    if len(learnable) >= msnn.DETECTOR.min_points:
        rivals["msnn"] = msnn.DETECTOR, msnn.DETECTOR.fit(learnable, parameters, ignore_progress)
    if drift <= DRIFTING:
        rivals["robust"] = robust.DETECTOR, robust.fit(learnable, parameters, ignore_progress)
        if rhythm.explained >= RHYTHMIC:
            rivals["seasonal"] = seasonal.DETECTOR, rhythm
    elif len(learnable) >= spectral_residual.MIN_POINTS:
        rivals["spectral_residual"] = (
            spectral_residual.DETECTOR,
            spectral_residual.fit(learnable, parameters, ignore_progress),
        )
    if forecast.skill >= FORECASTABLE or not rivals:
        rivals["ar"] = ar.DETECTOR, forecast
    progress(0.4)
    found = _compared(rivals, learnable, held_out, standard.spread, period)
    progress(0.6)
    best = max(found, key=lambda name: found[name] + (MARGIN if name == "msnn" else 0.0))
    detector = rivals[best][0]
    own = _parameters(detector, parameters)
    return Auto(
        chosen=Fitted(detector, detector.fit(series, own, lambda share: progress(0.6 + 0.4 * share))),
        why=_sentence(best, found, len(series), period, drift, forecast.skill),
        compared=" ".join(found),
        precisions=np.array(list(found.values())),
        period=period,
        drift=drift,
        noise=1 - min(max(forecast.skill, rhythm.explained, 0.0), 1.0),
    )


def _parameters(detector: Detector[Any], parameters: ParameterValues) -> ParameterValues:
    """Those that the detector shares with this one; the windows to exclude are excluded already."""
    return complete(detector.parameters, {"alarm_rate": parameters["alarm_rate"]})


def _compared(
    rivals: Mapping[str, tuple[Detector[Any], Any]], learnt_from: Series, held_out: Series, spread: float, period: int
) -> dict[str, float]:
    """Mean average precision of each on anomalies injected into the part held out."""
    copies = list(injections(held_out.values, spread, period))
    return {
        name: float(
            np.mean(
                [
                    precision(detector.score(state, copy.values, held_out.timestamps, learnt_from.values).score, copy)
                    for copy in copies
                ]
            )
        )
        for name, (detector, state) in rivals.items()
    }


def _sentence(best: str, found: Mapping[str, float], points: int, period: int, drift: float, skill: float) -> str:
    figures = ", ".join(f"{name} {precision:.2f}" for name, precision in sorted(found.items(), key=lambda one: -one[1]))
    rhythm = f"a period of {period}" if period else "no period"
    return (
        f"{best}: mean average precision on anomalies injected into the newest part: {figures}, where "
        f"{MARGIN} is added to msnn. The series has {points:,} points, {rhythm}, "
        f"a drift of {drift:.2g} spreads, and a forecast takes away {max(skill, 0.0):.0%} of the error."
    )


def score(state: Auto, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """As the chosen one does."""
    scores: Scores = state.chosen.detector.score(state.chosen.state, values, timestamps, context)
    return scores


def explain(state: Auto, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """As the chosen one does."""
    chosen = state.chosen
    return chosen.detector.explain(chosen.state, values, timestamps, context)


def needs(state: Auto) -> Need:
    """Those of the chosen one."""
    return state.chosen.detector.needs(state.chosen.state)


def learnt(state: Auto) -> dict[str, float | str]:
    """The choice and its reasons, then what the chosen one learnt."""
    compared = zip(state.compared.split(), state.precisions.tolist(), strict=True)
    return {
        "chosen": state.chosen.detector.name,
        "why": state.why,
        **{f"precision_{name}": precision for name, precision in compared},
        "period_points": float(state.period),
        "drift": state.drift,
        "noise": state.noise,
        **state.chosen.detector.learnt(state.chosen.state),
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
