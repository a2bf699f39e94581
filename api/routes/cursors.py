"""Pages of lists, and the cursors that lead from one page to the next."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from shared.domain.series import check_series_id
from shared.errors import Code, InputError
from shared.store.alerts import Place as AlertPlace
from shared.store.jobs import Place

Row = TypeVar("Row")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JOBS = re.compile(r"([0-9]{1,17})-([0-9]{1,18})")
_ALERTS = re.compile(r"([0-9]{1,17})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_VERSIONS = re.compile(r"[0-9]{1,9}")


def split_page(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """Return the page of at most `limit` rows, and its last row if more rows follow.

    The query must ask for `limit + 1` rows.
    """
    page = rows[:limit]
    return page, page[-1] if len(rows) > limit else None


def job_cursor(place: Place) -> str:
    """Return the cursor for the jobs after this place: microseconds since 1970 and a sequence number."""
    return f"{(place.moment - _EPOCH) // timedelta(microseconds=1)}-{place.seq}"


def place_of(cursor: str | None) -> Place | None:
    """Return the place of a job cursor, None without a cursor; raise `InputError` if it is invalid."""
    if cursor is None:
        return None
    match = _JOBS.fullmatch(cursor)
    if not match:
        raise _invalid()
    return Place(_EPOCH + timedelta(microseconds=int(match[1])), int(match[2]))


def alert_cursor(place: AlertPlace) -> str:
    """Return the cursor for the alerts after this place: microseconds since 1970 and an id."""
    return f"{(place.moment - _EPOCH) // timedelta(microseconds=1)}-{place.id}"


def alert_place_of(cursor: str | None) -> AlertPlace | None:
    """Return the place of a cursor of alerts, None without a cursor; raise `InputError` if it is invalid."""
    if cursor is None:
        return None
    match = _ALERTS.fullmatch(cursor)
    if not match:
        raise _invalid()
    return AlertPlace(_EPOCH + timedelta(microseconds=int(match[1])), match[2])


def series_before(cursor: str | None) -> str:
    """Return the id after which a list of series continues, empty without a cursor; raise `InputError` if invalid."""
    if cursor is None:
        return ""
    try:
        return check_series_id(cursor)
    except InputError:
        raise _invalid() from None


def version_limit(cursor: str | None) -> int | None:
    """Return the number below which versions continue, None without a cursor; raise `InputError` if it is invalid."""
    if cursor is None:
        return None
    if not _VERSIONS.fullmatch(cursor):
        raise _invalid()
    return int(cursor)


def _invalid() -> InputError:
    return InputError(
        Code.INVALID_CURSOR, "The cursor is invalid. Send next_cursor of the previous page, or no cursor."
    )
