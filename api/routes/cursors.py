"""Cursors: where a page of a list ended, as clients carry it to the next page."""

import re
from datetime import UTC, datetime, timedelta

from shared.domain.series import check_series_id
from shared.errors import Code, InputError
from shared.store.jobs import Place

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JOBS = re.compile(r"([0-9]{1,17})-([0-9]{1,18})")
_VERSIONS = re.compile(r"[0-9]{1,9}")


def job_cursor(place: Place) -> str:
    """The cursor for the jobs behind this place: microseconds since 1970 and a sequence number."""
    return f"{(place.moment - _EPOCH) // timedelta(microseconds=1)}-{place.seq}"


def place_of(cursor: str | None) -> Place | None:
    """The place that a cursor of a list of jobs stands for; `InputError` for any other text."""
    if cursor is None:
        return None
    match = _JOBS.fullmatch(cursor)
    if not match:
        raise _invalid()
    return Place(_EPOCH + timedelta(microseconds=int(match[1])), int(match[2]))


def series_before(cursor: str | None) -> str:
    """The id after which a list of series continues; `InputError` where the cursor is not one."""
    if cursor is None:
        return ""
    try:
        return check_series_id(cursor)
    except InputError:
        raise _invalid() from None


def version_limit(cursor: str | None) -> int | None:
    """The number below which a list of versions continues; `InputError` where the cursor is not one."""
    if cursor is None:
        return None
    if not _VERSIONS.fullmatch(cursor):
        raise _invalid()
    return int(cursor)


def _invalid() -> InputError:
    return InputError(Code.INVALID_CURSOR, "A cursor is what a page before gave as next_cursor.")
