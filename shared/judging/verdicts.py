"""Verdicts of a fitted detector, and the points that it cannot judge."""

from typing import NamedTuple

import numpy as np

from shared.domain.detectors.contract import CAUSAL, Carry, Explanation, Fitted, Need, Scores
from shared.domain.series import Flags, Series, Values
from shared.judging.context import (
    NO_VALUES,
    Context,
    carried_forward,
    context_of,
    interpolated,
    too_few_before,
)


class Verdicts(NamedTuple):
    """Verdicts on n points, by column; a point is an anomaly if its score is above 1."""

    scores: Scores
    unknown: Flags | None  # (n,) value missing, too few values before it, or unseen; None = every point is judged
    context: Context  # before the first point
    need: Need
    carry: Carry | None = None  # what a judgment of the next points begins with


def judge(
    fitted: Fitted,
    points: Series,
    missing: Flags | None = None,
    recent: Values = NO_VALUES,
    mode: str = CAUSAL,
    *,
    context: Context | None = None,
    carry: Carry | None = None,
) -> Verdicts:
    """Judge n points. The causal mode judges a point by the values up to it, other modes by the whole batch.

    missing: (n,) flags of the values of `points` that are placeholders.
    recent: (m,) values directly before the first point, NaN for missing ones. If these are too few, the last training
    values complete them, unless too many intervals were missed in between.
    context: instead of `recent`, the whole context of points that continue a stream; carry: from the judgment of the
    points right before.
    """
    need = fitted.needs()
    if mode != CAUSAL:
        values = points.values if missing is None else interpolated(points.values, missing)
        scores = fitted.score_in_mode(mode, values, points.timestamps)
        return Verdicts(scores, missing, Context(NO_VALUES), need)
    if context is None:
        context = context_of(need, int(points.timestamps[0]), recent)
    values = points.values if missing is None else carried_forward(context.values, points.values, missing)
    scores, carry = fitted.fold(values, points.timestamps, context.values, carry)
    unknown = _unknown(len(points), missing, context, need)
    if scores.unseen is not None:
        unknown = scores.unseen if unknown is None else unknown | scores.unseen
    return Verdicts(scores, unknown, context, need, carry)


def explain(fitted: Fitted, point: Series, verdicts: Verdicts) -> Explanation:
    """Explain the verdict on a single point."""
    return fitted.explain(point.values, point.timestamps, verdicts.context.values)


def _unknown(count: int, missing: Flags | None, context: Context, need: Need) -> Flags | None:
    if missing is None:
        if context.is_complete and len(context.values) >= need.points:
            return None
        missing = np.zeros(count, dtype=np.bool_)
    return missing | too_few_before(context.missing, missing, need.points)
