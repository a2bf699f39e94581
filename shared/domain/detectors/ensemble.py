"""Ensemble: how improbable a point is by two witnesses, the stretch that ends there and its distance from the median.

Each witness' score becomes the probability of as high a score on points held out; the sum of -log10 of both is judged.
What neither would report alone, but both find odd, is reported.
"""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors import alarms, msnn, robust
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
from shared.domain.detectors.incidents import calm
from shared.domain.detectors.injections import split
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.series import Series, Timestamps, Values

RARITIES = np.arange(0.5, 12.1, 0.25)  # -log10 of the probabilities whose scores are kept
LEAST = 0.1  # score for each power of ten of rarity, and
FLOOR = 0.05  # rarity beyond what is usual: rounding errors of a noiseless series are not rare
MIN_POINTS = 96


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Two fitted detectors, and which of their scores are how rare."""

    stretch: Fitted
    level: Fitted
    stretch_scores: Values  # (len(RARITIES),) exceeded with those probabilities
    level_scores: Values
    boundary: float  # the sum of rarities at which the score is 1
    promise: str


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Ensemble:
    """Learn from the first part what is rare in the part after it, then learn the rest as well."""
    learnable, held_out = split(series)
    found = [
        each.DETECTOR.score(
            each.DETECTOR.fit(learnable, parameters, ignore_progress),
            held_out.values,
            held_out.timestamps,
            learnable.values,
        ).score
        for each in (msnn, robust)
    ]
    progress(0.4)
    tables = [_table(scores) for scores in found]
    sums = sum(_rarity(scores, table) for scores, table in zip(found, tables, strict=True))
    share = alarms.share_of(parameters["alarm_rate"], alarms.interval_of(series.timestamps))
    assert share is not None  # noqa: S101 - this detector's rate cannot be off
    stretch = Fitted(msnn.DETECTOR, msnn.fit(series, parameters, lambda done: progress(0.4 + 0.5 * done)))
    level = Fitted(robust.DETECTOR, robust.fit(series, parameters, ignore_progress))
    progress(1.0)
    return Ensemble(
        stretch=stretch,
        level=level,
        stretch_scores=tables[0],
        level_scores=tables[1],
        boundary=min(alarms.boundary(np.asarray(sums), share) + FLOOR, float(RARITIES[-1])),
        promise=alarms.promise(share, len(held_out)),
    )


def _table(scores: Values) -> Values:
    """The scores that are exceeded with the probabilities of `RARITIES`."""
    residuals = calm(scores)
    boundaries = [alarms.boundary(residuals, float(share)) for share in 10**-RARITIES]
    table: Values = np.maximum(np.maximum.accumulate(boundaries), boundaries[0] + LEAST * (RARITIES - RARITIES[0]))
    return table


def _rarity(scores: Values, table: Values) -> Values:
    """-log10 of the probability of as high a score."""
    return np.interp(scores, np.concatenate(([0.0], table)), np.concatenate(([0.0], RARITIES)))


def score(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """The sum of both rarities in units of that which the alarm rate allows."""
    stretch, level = _rarities(state, values, timestamps, context)
    return Scores((stretch + level) / state.boundary, None, None, None)


def _rarities(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> list[Values]:
    return [
        _rarity(witness.detector.score(witness.state, values, timestamps, context).score, table)
        for witness, table in ((state.stretch, state.stretch_scores), (state.level, state.level_scores))
    ]


def explain(state: Ensemble, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """The witness that finds the last value rarer; the most similar window in any case."""
    stretch, level = _rarities(state, values, timestamps, context)
    why = msnn.explain(state.stretch.state, values, timestamps, context)
    component = "the distance from the median" if level[-1] > stretch[-1] else why.component
    return Explanation(why.expected, component, why.similar_from, why.similar_distance)


def needs(state: Ensemble) -> Need:
    """Those of the windows."""
    return msnn.needs(state.stretch.state)


def learnt(state: Ensemble) -> dict[str, float | str]:
    """What the windows learnt, the rarity that is too much, and what is promised."""
    return {
        **msnn.learnt(state.stretch.state),
        "median": state.level.state.median,
        "threshold": state.boundary,
        "promise": state.promise,
    }


DETECTOR = Detector(
    name="ensemble",
    purpose="Points that are improbable as the end of a stretch and by their level together. For streams of alerts.",
    cost="Twice that of msnn to fit; a prediction costs as much as one of msnn.",
    false_alarms="The share of points of the newest 30 % at most, unknown to a first fit, that were as improbable.",
    min_points=MIN_POINTS,
    context_points=msnn.DETECTOR.context_points,
    parameters=(AlarmRate(), Windows()),
    state=Ensemble,
    fit=fit,
    score=score,
    learnt=learnt,
    needs=needs,
    explain=explain,
)
