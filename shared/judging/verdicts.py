"""Verdicts: what a fitted detector says of points, and of which it can say nothing."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.contract import CAUSAL, Explanation, Fitted, Need, Scores
from shared.domain.series import Series, Values
from shared.judging.context import NO_VALUES, Context, context_of
from shared.judging.gaps import Flags, carried_forward, interpolated, too_little_before


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Columns of n points; a point is an anomaly where its score is above 1."""

    scores: Scores
    unknown: Flags | None  # (n,) where a value is missing, or too little comes before it; None = nowhere
    context: Context  # before the first point
    need: Need


def judge(
    fitted: Fitted, points: Series, missing: Flags | None = None, given: Values = NO_VALUES, mode: str = CAUSAL
) -> Verdicts:
    """Judge points by a state, each by itself and what comes before it; in other modes, by all of them.

    missing: (n,) which values of `points` are placeholders. given: (m,) values right before the first point, for which
    the end of the training values stands in as far as that comes right before them.
    """
    detector, state = fitted.detector, fitted.state
    need = detector.needs(state)
    if mode != CAUSAL:
        values = points.values if missing is None else interpolated(points.values, missing)
        return Verdicts(detector.modes[mode](state, values, points.timestamps), missing, Context(NO_VALUES), need)
    context = context_of(need, int(points.timestamps[0]), given)
    values = points.values if missing is None else carried_forward(context.values, points.values, missing)
    scores = detector.score(state, values, points.timestamps, context.values)
    return Verdicts(scores, _unknown(len(points), missing, context, need), context, need)


def explain(fitted: Fitted, point: Series, verdicts: Verdicts) -> Explanation:
    """Say why one point got its verdict."""
    return fitted.detector.explain(fitted.state, point.values, point.timestamps, verdicts.context.values)


def _unknown(count: int, missing: Flags | None, context: Context, need: Need) -> Flags | None:
    if missing is None:
        if context.missed == 0 and len(context.values) >= need.points:
            return None
        missing = np.zeros(count, dtype=np.bool_)
    return missing | too_little_before(context.missing, missing, need.points)
