"""From a state and points to verdicts."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from api.schemas.answers import BatchVerdicts, Verdict, Why
from api.schemas.decoding import decode
from api.schemas.requests import PointsBody
from shared.domain.detectors.contract import CAUSAL, Explanation, Fitted
from shared.domain.series import Series, Values, check_timestamp
from shared.errors import Code, Flaw, InputError

_POINTS = msgspec.json.Decoder(PointsBody)
_INTEGERS = msgspec.json.Decoder(list[int])
_NULLABLE = msgspec.json.Decoder(list[float | None])
_DIGITS = re.compile(r"[0-9]{1,15}")
_NOTHING: Values = np.empty(0)

MISSING_SHARE = 0.1  # of the values that a point is judged by, beyond which it is not

Flags = NDArray[np.bool_]


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
    detector, state = fitted.detector, fitted.state
    point = (np.array([value]), np.array([timestamp]), _recent(fitted, timestamp, context))
    scores = detector.score(state, *point)
    score = float(scores.score[0])
    judged = Verdict(
        anomaly=score > 1,
        model_version=str(number),
        score=score,
        expected=_first(scores.expected),
        lower=_first(scores.lower),
        upper=_first(scores.upper),
        detector=detector.name,
    )
    if explain:
        why = detector.explain(state, *point)
        if judged.expected is None:
            judged.expected = why.expected
        judged.why = Why(why.component, why.similar_from, why.similar_distance)
        judged.explanation = _explanation(value, judged, why)
    return judged


def check_mode(fitted: Fitted, mode: str) -> None:
    """Raise `InputError` for a way of scoring that the detector does not have."""
    if mode != CAUSAL and mode not in fitted.detector.modes:
        modes = ", ".join((CAUSAL, *fitted.detector.modes))
        sentence = f"The modes of the detector {fitted.detector.name} are: {modes}."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(("query", "mode"), sentence)])


def batch(number: int, fitted: Fitted, content: bytes, most: int, mode: str = CAUSAL) -> bytes:
    """Judge the points of a body; the encoded answer. Runs in a thread of its own."""
    check_mode(fitted, mode)
    points, missing = _with_gaps(decode(_POINTS, content), most, mode)
    detector, state = fitted.detector, fitted.state
    if mode == CAUSAL:
        need = detector.needs(state)
        context = need.tail if need.met_by_tail(int(points.timestamps[0])) else _NOTHING
        scores = detector.score(state, points.values, points.timestamps, context)
        unknown = missing | _too_little_before(missing, need.points, len(context))
    else:
        scores = detector.modes[mode](state, points.values, points.timestamps)
        unknown = missing
    return msgspec.json.encode(
        BatchVerdicts(
            model_version=str(number),
            detector=detector.name,
            anomaly=_known((scores.score > 1).tolist(), unknown),
            score=_known(scores.score.tolist(), unknown),
            expected=_column(scores.expected, len(points)),
            lower=_column(scores.lower, len(points)),
            upper=_column(scores.upper, len(points)),
        )
    )


def _recent(fitted: Fitted, timestamp: int, context: list[float] | None) -> Values:
    """The values before the point: those given, or the end of the training values where the point comes next."""
    need = fitted.detector.needs(fitted.state)
    if not context and need.points and need.met_by_tail(timestamp):
        return need.tail
    given = len(context or ())
    if given < need.points:
        raise InputError(
            Code.CONTEXT_REQUIRED,
            f"The detector {fitted.detector.name} judges a value by the {need.points:,} before it, and {given:,} were "
            "given: send them in context, oldest first, or judge many points in a batch.",
            flaws=[Flaw(("context",), f"must hold at least {need.points:,} values")],
        )
    return np.array(context, dtype=np.float64) if context else _NOTHING


def _with_gaps(body: PointsBody, most: int, mode: str) -> tuple[Series, Flags]:
    """The points, and which of their values are missing.

    The last value before a missing one stands for it, so that no score depends on what comes later; in modes that look
    both ways, a straight line between its neighbours.
    """
    given = np.array(decode(_NULLABLE, body.values, "values"), dtype=np.float64)
    missing = np.isnan(given)
    if missing.all() and len(given):
        raise InputError(Code.TOO_FEW_POINTS, "Every value is missing.")
    if missing.any():
        places = np.arange(len(given))
        known = places[~missing]
        if mode == CAUSAL:
            given = given[known[np.maximum(np.searchsorted(known, places, "right") - 1, 0)]]
        else:
            given = np.interp(places, known, given[known])
    return Series.checked(decode(_INTEGERS, body.timestamps, "timestamps"), given, most=most), missing


def _too_little_before(missing: Flags, needed: int, context: int) -> Flags:
    """Which points have fewer than `needed` before them, `context` among those, or too many missing ones there."""
    places = np.arange(len(missing))
    known = np.concatenate(([0], np.cumsum(~missing)))
    gaps = places - known[:-1] - np.maximum(places - needed, 0) + known[np.maximum(places - needed, 0)]
    return (places + context < needed) | (gaps > MISSING_SHARE * needed)


def _explanation(value: float, judged: Verdict, why: Explanation) -> str:
    end = f"score {judged.score:.3g}, where more than 1 is an anomaly."
    if judged.lower is None and judged.upper is None:
        unlike = "unlike" if judged.anomaly else "like"
        most = f", by {why.component} above all" if why.component else ""
        return f"{value:.6g} ends a stretch {unlike} what was learnt{most}{_similar(why)}: {end}"
    edges = [
        "any low value" if judged.lower is None else f"{judged.lower:.6g}",
        "any high value" if judged.upper is None else f"{judged.upper:.6g}",
    ]
    where = "outside" if judged.anomaly else "inside"
    return (
        f"{value:.6g} is {where} the normal band, {edges[0]} to {edges[1]}, around the expected {judged.expected:.6g}, "
        f"judged by {why.component}: {end}"
    )


def _similar(why: Explanation) -> str:
    if why.similar_from is None:
        return ""
    began = datetime.fromtimestamp(why.similar_from, UTC)
    return f"; the most similar began at {began:%Y-%m-%d %H:%M:%S} UTC, {why.similar_distance:.3g} of the usual away"


def _first(column: Values | None) -> float | None:
    return None if column is None else float(column[0])


def _column(column: Values | None, length: int) -> Any:
    """As it is encoded. Of one that says the same of all points, as most bands do, the text is repeated."""
    if column is None or (column == column[0]).all():
        one = msgspec.json.encode(None if column is None else float(column[0]))
        return msgspec.Raw(b"[" + ((one + b",") * length)[:-1] + b"]")
    return column.tolist()


def _known(column: list[Any], unknown: NDArray[np.bool_]) -> list[Any]:
    """The column with nothing said of the unknown."""
    for place in np.flatnonzero(unknown):
        column[place] = None
    return column
