"""Conversion of request bodies to points, and of verdicts to responses."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from api.schemas.answers import BatchVerdicts, Verdict, Why
from api.schemas.decoding import decode
from api.schemas.requests import Context, PointsBody
from shared.domain.detectors.contract import CAUSAL, Explanation, Fitted, absorbed
from shared.domain.series import Flags, Series, Values
from shared.errors import Code, Flaw, InputError
from shared.judging.context import NO_VALUES
from shared.judging.verdicts import explain, judge
from shared.wording import band, readable

_POINTS = msgspec.json.Decoder(PointsBody)
_INTEGERS = msgspec.json.Decoder(list[int])
_NULLABLE = msgspec.json.Decoder(list[float | None])


def verdict(
    number: int,
    fitted: Fitted,
    timestamp: int,
    value: float,
    context: Context | None,
    *,
    with_explanation: bool = False,
) -> Verdict:
    """Score one point with the state of version `number`; raise `InputError` if the detector cannot judge it."""
    point = Series(np.array([timestamp]), np.array([value]))
    recent = NO_VALUES if context is None else np.array(context, dtype=np.float64)  # NaN for null
    verdicts = judge(fitted, point, recent=recent)
    if verdicts.scores.unseen is not None:
        raise _time_not_learned(explain(fitted, point, verdicts))
    if verdicts.unknown is not None and verdicts.unknown[0]:
        need, known = verdicts.need, len(verdicts.context.values)
        raise _context_required(fitted.detector.name, need.least if known < need.least else need.points, recent)
    scores = verdicts.scores
    score = float(scores.score[0])
    result = Verdict(
        anomaly=score > 1,
        model_version=str(number),
        score=score,
        expected=_first(scores.expected),
        lower=_first(scores.lower),
        upper=_first(scores.upper),
        detector=fitted.detector.name,
    )
    if scores.boundary is not None:
        result.boundary, result.absorbed = float(scores.boundary[0]), bool(absorbed(scores.score, scores.boundary)[0])
    if with_explanation:
        why = explain(fitted, point, verdicts)
        if result.expected is None:
            result.expected = why.expected
        result.why = Why(
            why.component,
            why.similar_from,
            why.similar_distance,
            UNSET if why.direction is None else why.direction,
            UNSET if why.once_in_s is None else why.once_in_s,
        )
        explanation = _explanation_by_witness if why.direction else _explanation
        result.explanation = explanation(value, result, why)
    return result


def check_mode(fitted: Fitted, mode: str) -> None:
    """Raise `InputError` for a scoring mode that the detector does not support."""
    if mode != CAUSAL and mode not in fitted.detector.modes:
        modes = ", ".join((CAUSAL, *fitted.detector.modes))
        sentence = f"The detector {fitted.detector.name} does not support this mode. Its modes: {modes}."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(("query", "mode"), sentence)])


def batch(number: int, fitted: Fitted, content: bytes, max_points: int, mode: str = CAUSAL) -> bytes:
    """Score the points of a body, at most `max_points`, and return the encoded response.

    Raises `InputError` for an invalid body or mode. Too slow for the event loop.
    """
    check_mode(fitted, mode)
    points, missing = _points(decode(_POINTS, content), max_points)
    verdicts = judge(fitted, points, missing, mode=mode)
    scores = verdicts.scores
    return msgspec.json.encode(
        BatchVerdicts(
            model_version=str(number),
            detector=fitted.detector.name,
            anomaly=_with_nulls((scores.score > 1).tolist(), verdicts.unknown),
            score=_with_nulls(scores.score.tolist(), verdicts.unknown),
            expected=_column(scores.expected, len(points)),
            lower=_column(scores.lower, len(points)),
            upper=_column(scores.upper, len(points)),
            boundary=UNSET if scores.boundary is None else _column(scores.boundary, len(points)),
            absorbed=UNSET if scores.absorbed is None else _with_nulls(scores.absorbed.tolist(), verdicts.unknown),
        )
    )


def _context_required(detector: str, needed: int, recent: Values) -> InputError:
    missing = int(np.count_nonzero(np.isnan(recent)))
    nulls = f", of which {missing:,} {'is' if missing == 1 else 'are'} null" if missing else ""
    return InputError(
        Code.CONTEXT_REQUIRED,
        f"The detector {detector} needs the previous {needed:,} values; the request has {len(recent):,}{nulls}. Send "
        "them in context, oldest first, or send a batch.",
        flaws=[Flaw(("context",), f"must hold at least {needed:,} values")],
    )


def _time_not_learned(why: Explanation) -> InputError:
    sentence = (
        f"No verdict: {why.component} is unknown, because the training data has no points at that time. Fit the series "
        "again with points at that time, or with a detector that ignores the time."
    )
    return InputError(
        Code.TIME_NOT_LEARNED, sentence, flaws=[Flaw(("timestamp",), "is at a time without training data")]
    )


def _points(body: PointsBody, max_points: int) -> tuple[Series, Flags | None]:
    """Return the points, with 0 for missing values, and a mask (n,) of these; None if all values are present."""
    values = np.array(decode(_NULLABLE, body.values, "values"), dtype=np.float64)
    missing = np.isnan(values)
    if not missing.any():
        return Series.checked(decode(_INTEGERS, body.timestamps, "timestamps"), values, max_points=max_points), None
    if missing.all():
        raise InputError(Code.TOO_FEW_POINTS, "All values are null. Send at least one number.")
    values[missing] = 0.0
    return Series.checked(decode(_INTEGERS, body.timestamps, "timestamps"), values, max_points=max_points), missing


def _explanation(value: float, verdict: Verdict, why: Explanation) -> str:
    end = f"The score is {readable(verdict.score, digits=3)}; above 1 is an anomaly."
    written = readable(value, verdict.lower, verdict.upper)
    if verdict.lower is None and verdict.upper is None:
        unlike = "unlike" if verdict.anomaly else "like"
        basis = f", based mainly on {why.component}" if why.component else ""
        return f"{written} ends a stretch {unlike} the training data{basis}.{_similar(why)} {end}"
    where = "outside" if verdict.anomaly else "inside"
    return (
        f"{written} is {where} the normal band of {band(value, verdict.lower, verdict.upper)} "
        f"(expected {_expected(value, verdict)}), based on {why.component}. {end}"
    )


def _expected(value: float, verdict: Verdict) -> str:
    return "unknown" if verdict.expected is None else readable(verdict.expected, value, verdict.lower, verdict.upper)


def _explanation_by_witness(value: float, verdict: Verdict, why: Explanation) -> str:
    """Explain a verdict by the witness that was most surprised."""
    how = "unusual" if verdict.anomaly else "usual"
    direction = f" ({why.direction})" if why.direction in ("high", "low") else ""
    rarity = (
        "" if why.once_in_s is None else f" Normal points score this high about once in {_duration(why.once_in_s)}."
    )
    similar = ""
    if why.similar_from is not None:
        began = datetime.fromtimestamp(why.similar_from, UTC)
        similar = f" The most similar stretch of the training data began at {began:%Y-%m-%d %H:%M:%S} UTC."
    return (
        f"{readable(value, verdict.lower, verdict.upper)} is {how}, judged by {why.component}{direction}. The expected "
        f"value is {_expected(value, verdict)}, and the normal band is {band(value, verdict.lower, verdict.upper)}."
        f"{rarity}{similar} The score is {readable(verdict.score, digits=3)}; above 1 is an anomaly."
        f"{_absorbed(verdict)}{_abstaining(why)}"
    )


def _abstaining(why: Explanation) -> str:
    if not why.abstaining:
        return ""
    return f" Not judged by {', '.join(why.abstaining)}: the point has too few values before it."


def _absorbed(verdict: Verdict) -> str:
    if verdict.absorbed is not True:
        return ""
    return f" Earlier anomalies raised the boundary {verdict.boundary:.3g} times; without them, this is one too."


def _duration(seconds: float) -> str:
    """Write a time in the largest unit of which it has at least two."""
    for unit, length in (("years", 31_556_952), ("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} seconds"


def _similar(why: Explanation) -> str:
    if why.similar_from is None:
        return ""
    began = datetime.fromtimestamp(why.similar_from, UTC)
    return (
        f" The most similar stretch began at {began:%Y-%m-%d %H:%M:%S} UTC, "
        f"{why.similar_distance:.3g} times the usual distance away."
    )


def _first(column: Values | None) -> float | None:
    return None if column is None else float(column[0])


def _column(column: Values | None, length: int) -> Any:
    """Return a column of `length` in a form that encodes fast.

    Most bands have the same edge at every point. For these, the text of one value is repeated.
    """
    if column is None or (column == column[0]).all():
        text = msgspec.json.encode(None if column is None else float(column[0]))
        return msgspec.Raw(b"[" + ((text + b",") * length)[:-1] + b"]")
    return column.tolist()


def _with_nulls(column: list[Any], unknown: Flags | None) -> list[Any]:
    """Replace the unknown items (n,) of the column by None, in place."""
    if unknown is not None:
        for index in np.flatnonzero(unknown):
            column[index] = None
    return column
