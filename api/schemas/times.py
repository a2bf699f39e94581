"""Timestamps and days as clients write them: seconds since 1970, or ISO 8601."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from shared.domain.series import LAST_TIMESTAMP, check_timestamp
from shared.errors import InputError

DAY_RULE = "must be a day such as 2026-01-31"
RULE = "must be whole seconds since 1970, or a time such as 2026-01-31T12:00:00Z"


def timestamp_of(written: object) -> int:
    """Return seconds since 1970; raise `ValueError` with the rule that is broken. A time without offset is in UTC."""
    if isinstance(written, str):
        return _of_text(written)
    if isinstance(written, bool) or not isinstance(written, int):
        raise ValueError(RULE)  # noqa: TRY004 - callers expect one type
    try:
        return check_timestamp(written)
    except InputError as error:
        raise ValueError(error.detail) from None


def day_of(written: object) -> int:
    """Return the first second of a day in UTC, in seconds since 1970; raise `ValueError` if it is none."""
    if not isinstance(written, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written):
        raise ValueError(DAY_RULE)
    try:
        return _of_text(written)
    except ValueError:
        raise ValueError(f"{DAY_RULE}, from 1970 on") from None


def _of_text(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return timestamp_of(int(text))
    try:
        moment = datetime.fromisoformat(text[:64])
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(RULE) from None
    if not 0 <= seconds <= LAST_TIMESTAMP:
        raise ValueError("must not be before 1970")
    if seconds != int(seconds):
        raise ValueError("must be a whole second")
    return int(seconds)


def _parameter(written: object) -> object:
    return timestamp_of(written)


Moment = Annotated[
    int,
    BeforeValidator(_parameter),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": LAST_TIMESTAMP}, {"type": "string"}]}),
]
Day = Annotated[int, BeforeValidator(day_of), WithJsonSchema({"type": "string", "format": "date"})]
