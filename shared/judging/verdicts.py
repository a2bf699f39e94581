"""Verdicts of a fitted detector, and the points that it cannot judge."""

from collections.abc import Sequence
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
    lost,
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
    if need.can_abstain and not (missing is None and context.is_complete):
        return _judge_stretches(fitted, Series(points.timestamps, values), missing, context, carry)
    scores, carry = fitted.fold(values, points.timestamps, context.values, carry)
    unknown = _unknown(len(points), missing, context, need)
    if scores.unseen is not None:
        unknown = scores.unseen if unknown is None else unknown | scores.unseen
    return Verdicts(scores, unknown, context, need, carry)


def _judge_stretches(
    fitted: Fitted, points: Series, missing: Flags | None, context: Context, carry: Carry | None
) -> Verdicts:
    """Judge the stretches of n points between long gaps, each without the values before its gap, and without a carry.

    points: missing values are filled. The detector sees NaN for them, so that parts of it abstain where many are
    missing.
    """
    need, count = fitted.needs(), len(points)
    missing = np.zeros(count, dtype=np.bool_) if missing is None else missing
    is_lost = lost(context.missing, missing, need.points)
    before = len(context.values)
    known_from = _end_of_last(is_lost[:before])
    context, is_lost = context.since(known_from), is_lost[before:]
    values = np.where(missing, np.nan, points.values)
    context_values = np.where(context.missing, np.nan, context.values)
    edges = np.flatnonzero(np.diff(np.concatenate(([True], is_lost, [True])).astype(np.int8))).tolist()
    parts, unknown = list[tuple[slice, Scores]](), is_lost | missing
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        part = slice(start, stop)
        known = context_values if start == 0 else NO_VALUES
        carry = carry if start == 0 and not 0 < known_from == before else None
        scores, carry = fitted.fold(values[part], points.timestamps[part], known, carry)
        parts.append((part, scores))
        unknown[part] |= too_few_before(np.isnan(known), missing[part], need.least, need.least)
    if not parts:
        parts.append((slice(0, count), fitted.score(points.values, points.timestamps, context.values)))
    return Verdicts(_joined(parts, is_lost), unknown, context, need, carry)


def _end_of_last(flags: Flags) -> int:
    """Return the index after the last flag that is set; 0 without any."""
    places = np.flatnonzero(flags)
    return int(places[-1]) + 1 if len(places) else 0


def _joined(parts: Sequence[tuple[slice, Scores]], is_lost: Flags) -> Scores:
    """Return the scores of all points (n,); those outside of the parts repeat the ones before them."""

    def column(name: str) -> Values | None:
        joined = np.zeros(len(is_lost))
        for part, scores in parts:
            values = getattr(scores, name)
            if values is None:
                return None
            joined[part] = values
        return carried_forward(NO_VALUES, joined, is_lost)

    score = column("score")
    return Scores(
        score=np.zeros(len(is_lost)) if score is None else np.where(is_lost, 0.0, score),
        expected=column("expected"),
        lower=column("lower"),
        upper=column("upper"),
        boundary=column("boundary"),
    )


def explain(fitted: Fitted, point: Series, verdicts: Verdicts) -> Explanation:
    """Explain the verdict on a single point."""
    known = verdicts.context.values
    if verdicts.need.can_abstain and not verdicts.context.is_complete:
        known = np.where(verdicts.context.missing, np.nan, known)
    return fitted.explain(point.values, point.timestamps, known)


def _unknown(count: int, missing: Flags | None, context: Context, need: Need) -> Flags | None:
    if missing is None:
        if context.is_complete and len(context.values) >= need.least:
            return None
        missing = np.zeros(count, dtype=np.bool_)
    return missing | too_few_before(context.missing, missing, need.points, need.least)
