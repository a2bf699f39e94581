"""Pages of lists, and the cursors that lead from one page to the next."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from shared.domain.series import check_series_id
from shared.errors import Code, InputError
from shared.store.alerts import Place as AlertPlace
from shared.store.jobs import Place
from shared.store.listing import Key, Order
from shared.store.listing import Place as SeriesPlace

Row = TypeVar("Row")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JOBS = re.compile(r"([0-9]{1,17})-([0-9]{1,18})")
_ALERTS = re.compile(r"([0-9]{1,17})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_VERSIONS = re.compile(r"[0-9]{1,9}")
_SERIES_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_MOST_POINTS = 2**31 - 1  # the largest integer of a column


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


def series_query(place: SeriesPlace) -> dict[str, str]:
    """Return the parameters `id` and `key` of a place in an order of series."""
    key = place.key.isoformat() if isinstance(place.key, datetime) else place.key
    return {"id": place.series_id} | ({} if key is None else {"key": str(key)})


def series_place(order: Order, series_id: str, key: str) -> SeriesPlace | None:
    """Return the place that these parameters name; None if they name none."""
    if not _SERIES_ID.fullmatch(series_id):
        return None
    if order == Order.ID:
        return SeriesPlace(series_id)
    try:
        return SeriesPlace(series_id, _KEYS[order](key))
    except (ValueError, OverflowError):
        return None


def _points(text: str) -> int:
    points = int(text)
    if not 0 <= points <= _MOST_POINTS:
        raise ValueError
    return points


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:  # also NaN
        raise ValueError
    return share


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


_KEYS: Mapping[Order, Callable[[str], Key]] = {Order.FITTED: _moment, Order.POINTS: _points, Order.FLAGGED: _share}


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
