"""From a state and points to verdicts."""

import re
from typing import Any

import msgspec
import numpy as np

from api.accepting import columns
from api.answers import BatchVerdicts, Verdict
from api.bodies import decode
from api.requests import PointsBody
from shared.domain.detectors.states import Fitted
from shared.domain.series import Series, Values, check_timestamp
from shared.errors import Code, Flaw, InputError

_POINTS = msgspec.json.Decoder(PointsBody)
_DIGITS = re.compile(r"[0-9]{1,15}")
_NOTHING: Values = np.empty(0)


def timestamp_of(given: int | str) -> int:
    """Read a timestamp that may be a string of digits; `InputError` outside its range."""
    if isinstance(given, str):
        if not _DIGITS.fullmatch(given):
            raise InputError(
                Code.INVALID_TIMESTAMP,
                "A timestamp is whole seconds since 1970, as a number or a string of digits.",
                flaws=[Flaw(("timestamp",), "is not a whole number of seconds")],
            )
        given = int(given)
    return check_timestamp(given)


def check_context(context: list[float] | None, most: int) -> None:
    """Raise `InputError` for more recent values than a prediction may carry."""
    if context is not None and len(context) > most:
        raise InputError(Code.TOO_MANY_POINTS, f"{len(context):,} context values are too many: at most {most:,}.")


def verdict(
    number: int, fitted: Fitted, timestamp: int, value: float, context: list[float] | None, *, explain: bool = False
) -> Verdict:
    """Judge one point."""
    recent = np.array(context) if context else _NOTHING
    scores = fitted.detector.score(fitted.state, np.array([value]), np.array([timestamp]), recent)
    score = float(scores.score[0])
    judged = Verdict(
        anomaly=score > 1,
        model_version=str(number),
        score=score,
        expected=_first(scores.expected),
        lower=_first(scores.lower),
        upper=_first(scores.upper),
        detector=fitted.detector.name,
    )
    if explain:
        judged.explanation = _explanation(value, judged)
    return judged


def batch(number: int, fitted: Fitted, content: bytes, most: int) -> bytes:
    """Judge the points of a body; the encoded answer. Runs in a thread of its own."""
    points = Series.checked(*columns(decode(_POINTS, content)), most=most)
    scores = fitted.detector.score(fitted.state, points.values, points.timestamps, _NOTHING)
    return msgspec.json.encode(
        BatchVerdicts(
            model_version=str(number),
            detector=fitted.detector.name,
            anomaly=(scores.score > 1).tolist(),
            score=scores.score.tolist(),
            expected=_column(scores.expected, len(points)),
            lower=_column(scores.lower, len(points)),
            upper=_column(scores.upper, len(points)),
        )
    )


def _explanation(value: float, judged: Verdict) -> str:
    edges = [
        "any low value" if judged.lower is None else f"{judged.lower:.6g}",
        "any high value" if judged.upper is None else f"{judged.upper:.6g}",
    ]
    where = "outside" if judged.anomaly else "inside"
    return (
        f"{value:.6g} is {where} the normal band, {edges[0]} to {edges[1]}, around the expected {judged.expected:.6g}: "
        f"score {judged.score:.3g}, where more than 1 is an anomaly."
    )


def _first(column: Values | None) -> float | None:
    return None if column is None else float(column[0])


def _column(column: Values | None, length: int) -> list[Any]:
    return [None] * length if column is None else column.tolist()
