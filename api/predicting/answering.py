"""Conversion of request bodies to points, and of verdicts to responses."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from api.schemas.answers import BatchVerdicts, Verdict, Why
from api.schemas.decoding import decode
from api.schemas.requests import PointsBody
from shared.domain.detectors.contract import CAUSAL, Explanation, Fitted
from shared.domain.series import Flags, Series, Values, check_timestamp
from shared.errors import Code, Flaw, InputError
from shared.judging.context import NO_VALUES
from shared.judging.verdicts import explain, judge

_POINTS = msgspec.json.Decoder(PointsBody)
_INTEGERS = msgspec.json.Decoder(list[int])
_NULLABLE = msgspec.json.Decoder(list[float | None])
_DIGITS = re.compile(r"[0-9]{1,15}")


def timestamp_of(number: int | str) -> int:
    """Return seconds since 1970 from a number or a string of digits; `InputError` if invalid or out of range."""
    if isinstance(number, str):
        if not _DIGITS.fullmatch(number):
            raise InputError(
                Code.INVALID_TIMESTAMP,
                "A timestamp is whole seconds since 1970, as a number or a string of digits.",
                flaws=[Flaw(("timestamp",), "is not a whole number of seconds")],
            )
        number = int(number)
    return check_timestamp(number)


def check_context(context: list[float] | None, most: int) -> None:
    """Raise `InputError` if the context has more than `most` values."""
    if context is not None and len(context) > most:
        raise InputError(Code.TOO_MANY_POINTS, f"{len(context):,} context values are too many: at most {most:,}.")


def verdict(
    number: int,
    fitted: Fitted,
    timestamp: int,
    value: float,
    context: list[float] | None,
    *,
    with_explanation: bool = False,
) -> Verdict:
    """Judge one point by the state of version `number`; `InputError` if the detector needs more context."""
    point = Series(np.array([timestamp]), np.array([value]))
    recent = np.array(context, dtype=np.float64) if context else NO_VALUES
    verdicts = judge(fitted, point, recent=recent)
    if verdicts.unknown is not None and verdicts.unknown[0]:
        raise _context_required(fitted.detector.name, verdicts.need.points, len(recent))
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
    if with_explanation:
        why = explain(fitted, point, verdicts)
        if result.expected is None:
            result.expected = why.expected
        result.why = Why(why.component, why.similar_from, why.similar_distance)
        result.explanation = _explanation(value, result, why)
    return result


def check_mode(fitted: Fitted, mode: str) -> None:
    """Raise `InputError` for a scoring mode that the detector does not support."""
    if mode != CAUSAL and mode not in fitted.detector.modes:
        modes = ", ".join((CAUSAL, *fitted.detector.modes))
        sentence = f"The modes of the detector {fitted.detector.name} are: {modes}."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(("query", "mode"), sentence)])


def batch(number: int, fitted: Fitted, content: bytes, most: int, mode: str = CAUSAL) -> bytes:
    """Judge the points of a body, at most `most`, and return the encoded response.

    Raises `InputError` for an invalid body or mode. Takes too long for the event loop.
    """
    check_mode(fitted, mode)
    points, missing = _points(decode(_POINTS, content), most)
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
        )
    )


def _context_required(detector: str, needed: int, length: int) -> InputError:
    return InputError(
        Code.CONTEXT_REQUIRED,
        f"The detector {detector} judges a value by the {needed:,} before it, and {length:,} were "
        "given: send them in context, oldest first, or judge many points in a batch.",
        flaws=[Flaw(("context",), f"must hold at least {needed:,} values")],
    )


def _points(body: PointsBody, most: int) -> tuple[Series, Flags | None]:
    """Return the points, with 0 for missing values, and which of them (n,) are missing; None if all are present."""
    values = np.array(decode(_NULLABLE, body.values, "values"), dtype=np.float64)
    missing = np.isnan(values)
    if not missing.any():
        return Series.checked(decode(_INTEGERS, body.timestamps, "timestamps"), values, most=most), None
    if missing.all():
        raise InputError(Code.TOO_FEW_POINTS, "Every value is missing.")
    values[missing] = 0.0
    return Series.checked(decode(_INTEGERS, body.timestamps, "timestamps"), values, most=most), missing


def _explanation(value: float, verdict: Verdict, why: Explanation) -> str:
    end = f"score {verdict.score:.3g}, where more than 1 is an anomaly."
    if verdict.lower is None and verdict.upper is None:
        unlike = "unlike" if verdict.anomaly else "like"
        most = f", by {why.component} above all" if why.component else ""
        return f"{value:.6g} ends a stretch {unlike} what was learnt{most}{_similar(why)}: {end}"
    edges = [
        "any low value" if verdict.lower is None else f"{verdict.lower:.6g}",
        "any high value" if verdict.upper is None else f"{verdict.upper:.6g}",
    ]
    where = "outside" if verdict.anomaly else "inside"
    return (
        f"{value:.6g} is {where} the normal band, {edges[0]} to {edges[1]}, "
        f"around the expected {verdict.expected:.6g}, judged by {why.component}: {end}"
    )


def _similar(why: Explanation) -> str:
    if why.similar_from is None:
        return ""
    began = datetime.fromtimestamp(why.similar_from, UTC)
    return f"; the most similar began at {began:%Y-%m-%d %H:%M:%S} UTC, {why.similar_distance:.3g} of the usual away"


def _first(column: Values | None) -> float | None:
    return None if column is None else float(column[0])


def _column(column: Values | None, length: int) -> Any:
    """Return a column of `length` in a form that encodes fast.

    Most bands have the same edge at every point: then the text of one value is repeated.
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
