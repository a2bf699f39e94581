"""Reading of the points in requests for predictions: a point that cannot be read does not fail the others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import Struct

from api.schemas.decoding import decode
from api.schemas.requests import MAX_POINTS, Context, ManyPointsBody, SeriesPoint
from shared.domain.series import check_timestamp
from shared.errors import Code, Flaw, InputError

_MANY = msgspec.json.Decoder(ManyPointsBody)
_DIGITS = re.compile(r"[0-9]{1,15}")
# A string, which may be cut off with the body, or a constant that Python's json module writes although JSON has none.
_STRING_OR_CONSTANT = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|-?Infinity|NaN', re.DOTALL)
_CORRECTED_BYTES = 512 * 1024  # a larger body would take too long
_AS_JSON = {b"NaN": b"null", b"Infinity": b"1e999", b"-Infinity": b"-1e999"}  # 1e999 is out of range


class _Rows(Struct, forbid_unknown_fields=True):
    points: list[msgspec.Raw]


class _Named(Struct):
    series_id: str


_ROWS = msgspec.json.Decoder(_Rows)
_ROW = msgspec.json.Decoder(SeriesPoint)
_NAMED = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A point that cannot be read, and the reason; `series_id` is empty if it has no id either."""

    series_id: str
    error: InputError


def points_of(content: bytes) -> Sequence[SeriesPoint | Unreadable] | None:
    """Return the points of a body; None unless every one of them can be read."""
    try:
        return _MANY.decode(content).points
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def points_one_by_one(content: bytes) -> Sequence[SeriesPoint | Unreadable]:
    """Return each point, or why it cannot be read. In a body of up to 512 KiB, NaN counts as null.

    Raises `InputError` if the body is not an object with a list of at most `MAX_POINTS` points. Takes milliseconds. The
    contexts are arrays, NaN for null: freeing a million Python numbers in the event loop would take as long.
    """
    if len(content) <= _CORRECTED_BYTES and (b"NaN" in content or b"Infinity" in content):
        content = _STRING_OR_CONSTANT.sub(lambda match: _AS_JSON.get(match[0], match[0]), content)
    rows = decode(_ROWS, content).points
    if len(rows) > MAX_POINTS:
        sentence = f"The request has {len(rows):,} points, but at most {MAX_POINTS:,} are allowed."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(("points",), sentence)])
    return [_point(index, row) for index, row in enumerate(rows)]


def timestamp_of(number: int | str) -> int:
    """Return seconds since 1970 from a number or a string of digits; raise `InputError` if invalid or out of range."""
    if isinstance(number, str):
        if not _DIGITS.fullmatch(number):
            raise InputError(
                Code.INVALID_TIMESTAMP,
                "The timestamp must be whole seconds since 1970, as a number or a string of digits.",
                flaws=[Flaw(("timestamp",), "must be a whole number of seconds")],
            )
        number = int(number)
    return check_timestamp(number)


def value_of(value: float | None) -> float:
    """Return the value; raise `InputError` if it is missing."""
    if value is None:
        sentence = "The value is null: a missing value gets no verdict."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(("value",), sentence)])
    return value


def check_context(context: Context | None, limit: int) -> None:
    """Raise `InputError` if the context has more than `limit` values."""
    if context is not None and len(context) > limit:
        sentence = f"The context has {len(context):,} values, but at most {limit:,} are allowed (MAX_CONTEXT_POINTS)."
        raise InputError(Code.TOO_MANY_POINTS, sentence)


def _point(index: int, row: msgspec.Raw) -> SeriesPoint | Unreadable:
    try:
        point = decode(_ROW, row, "points", index)
    except InputError as error:
        try:
            return Unreadable(_NAMED.decode(row).series_id, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Unreadable("", error)
    if point.context is not None:
        point.context = np.array(point.context, dtype=np.float64)  # type: ignore[assignment] # the body has a list
    return point
