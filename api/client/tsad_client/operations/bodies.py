"""Bodies of requests."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from tsad_client.columns import Time, seconds_of

Moment: TypeAlias = Time | str  # a datetime, seconds since 1970, or ISO 8601
_encode = msgspec.json.Encoder().encode


def body_of(**fields: Any) -> bytes:
    """Encode a JSON object without the fields that are None."""
    return _encode({name: value for name, value in fields.items() if value is not None})


def lines_of(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """Encode one JSON object per line, each without the fields that are None."""
    return b"".join(body_of(**line) + b"\n" for line in lines)


def point_of(**fields: Any) -> bytes:
    """Encode a JSON object in which None is a missing value."""
    return _encode(fields)


def moment_of(time: Moment | None) -> int | str | None:
    """Return a time as the service reads it."""
    return time if time is None or isinstance(time, str) else seconds_of(time)
