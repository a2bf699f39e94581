"""Lines of pushed points of many series: each is a JSON object with one point, or with columns."""

import msgspec

from api.intake.collecting import Lines
from api.intake.columns import checked_body
from api.schemas.decoding import decode
from api.schemas.requests import PointLine, PushBody
from api.schemas.times import timestamp_of
from shared.domain.access import Caller
from shared.errors import Code, InputError, TsadError
from shared.settings import Settings

_LINE = msgspec.json.Decoder(PointLine)


def read_lines(content: bytes, caller: Caller, settings: Settings, now: float) -> Lines:
    """Read all lines; the good ones are taken whatever the bad ones do.

    Raise `InputError` only if there are no lines, or more points than MAX_PUSH_POINTS.
    """
    lines = Lines()
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        body = None
        try:
            body = decode(_LINE, line)
            _collect(lines, lines.visible(body.series_id, caller), body, number, settings, now)
        except TsadError as error:
            lines.refuse(number, None if body is None else body.series_id[:128], error.code, error.detail)
        lines.check_size(settings)
    if not lines.points and not lines.refused:
        raise InputError(Code.TOO_FEW_POINTS, "The body has no lines: send at least one point.")
    lines.check(settings, now)
    return lines


def _collect(lines: Lines, series_id: str, body: PointLine, number: int, settings: Settings, now: float) -> None:
    """Add the points of a line."""
    if body.timestamps or body.values:
        columns = checked_body(series_id, PushBody(body.timestamps, body.values), settings, now)
        lines.refuse_flaws(columns, [number])
        lines.add(series_id, number, columns.push.timestamps.tolist(), columns.push.values.tolist())
        lines.points += columns.refusals + columns.duplicates
        return
    if body.timestamp is msgspec.UNSET or body.value is msgspec.UNSET:
        raise InputError(Code.INVALID_REQUEST, "The line needs timestamp and value, or timestamps and values.")
    try:
        timestamp = timestamp_of(body.timestamp)
    except ValueError as error:
        raise InputError(Code.INVALID_TIMESTAMP, f"The timestamp {error}.") from None
    lines.add(series_id, number, [timestamp], [float("nan") if body.value is None else body.value])
