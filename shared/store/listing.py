"""Pages of series in an order, with a filter by any part of an id.

A page is read from an index, so it costs the same wherever it is. Only ids order the series themselves. The other
orders walk an index of all versions, and skip those that are not the latest of their series: a few rows for each row of
a page. That takes long for what is rare or far away: with a filter, or rows to skip, they sort all series instead.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import TextClause, text

from shared.domain.versions import SeriesSummary
from shared.store.engine import Session
from shared.store.latest import latest_rows
from shared.store.series import SUMMARY, summary_of


class Order(StrEnum):
    """Order of a list of series: by id, or with the newest, longest or most flagged first."""

    ID = "id"
    FITTED = "fitted"
    POINTS = "points"
    FLAGGED = "flagged"


Key = int | float | datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a series is in an order: its id, and what the order compares before ids; None in the order of ids."""

    series_id: str
    key: Key | None = None


def place_of(summary: SeriesSummary, order: Order) -> Place:
    """Return the place of a series that has versions."""
    keys = {Order.FITTED: summary.fitted_at, Order.POINTS: summary.points, Order.FLAGGED: summary.anomaly_share}
    return Place(summary.series_id, keys.get(order))


# '~' is greater than every character of an id, so a prefix is a range of ids.
_MATCHES = """
       strpos(lower(w.series_id), :contains) > 0
   AND w.series_id >= :visible_prefix AND w.series_id < :visible_prefix || '~'
"""
_WITH_VERSIONS = "series w WHERE EXISTS (SELECT 1 FROM versions v WHERE v.series_id = w.series_id)"
_BY_ID = f"{_WITH_VERSIONS} AND {_MATCHES}"
_SORTED = f"""
(SELECT s.series_id, v.* FROM {latest_rows("o.created_at, o.points, o.anomaly_share")}) AS w WHERE {_MATCHES}
"""
# Another condition on ids would lead the planner away from the index of the order.
_WALKED = f"""
versions w WHERE w.version = (SELECT v.version FROM {latest_rows("o.version")} WHERE s.series_id = w.series_id)
"""


@dataclass(frozen=True, slots=True)
class _Keys:
    """What an order compares. The comparison of rows with a place needs keys that all ascend, or all descend."""

    keys: tuple[str, ...]  # formats that take the alias of the rows
    place: tuple[str, ...]  # parameters, one for each key
    descends: bool = False

    def page(self, rows: str, *, backward: bool, has_place: bool) -> TextClause:
        """Return the query for a page of summaries. Sorting only ids and keys is much faster than sorting summaries.

        rows: FROM and WHERE, with rows `w`.
        """
        directions = ("DESC", "ASC") if self.descends else ("ASC", "DESC")
        walked = directions[backward]
        beyond = ""
        if has_place:
            sign = ">" if walked == "ASC" else "<"
            beyond = f"AND ({', '.join(self.keys).format('w')}) {sign} ({', '.join(self.place)})"
        return text(f"""
{SUMMARY} WHERE s.series_id = ANY (ARRAY(
  SELECT w.series_id FROM {rows} {beyond}
   ORDER BY {self._sorted("w", walked)} LIMIT :limit OFFSET :offset)) ORDER BY {self._sorted("v", directions[0])}
""")

    def _sorted(self, alias: str, direction: str) -> str:
        return ", ".join(f"{key.format(alias)} {direction}" for key in self.keys)


_KEYS = {
    Order.ID: _Keys(("{0}.series_id",), (":series_id",)),
    Order.FITTED: _Keys(
        ("{0}.created_at", "{0}.series_id"),
        ("CAST(:key AS timestamp with time zone)", ":series_id"),
        descends=True,
    ),
    Order.POINTS: _Keys(("(-{0}.points)", "{0}.series_id"), ("-CAST(:key AS integer)", ":series_id")),
    Order.FLAGGED: _Keys(("(-{0}.anomaly_share)", "{0}.series_id"), ("-CAST(:key AS double precision)", ":series_id")),
}
_PAGES = {
    (order, is_walked, backward, has_place): keys.page(
        _BY_ID if order == Order.ID else _WALKED if is_walked else _SORTED,
        backward=backward,
        has_place=has_place,
    )
    for order, keys in _KEYS.items()
    for is_walked in (True, False)
    for backward, has_place in ((False, False), (False, True), (True, True))
}
_COUNT_MATCHING = text(f"SELECT count(*) FROM {_BY_ID}")


def listing(
    session: Session,
    contains: str,
    order: Order,
    limit: int,
    visible_prefix: str = "",
    *,
    offset: int = 0,
    after: Place | None = None,
    before: Place | None = None,
) -> list[SeriesSummary]:
    """Return series that have versions and whose ids contain this text in any case.

    The page follows a place or, with `before`, ends before it. `offset` skips rows, which costs time for each.
    """
    place = before or after
    parameters = {"contains": contains.lower(), "visible_prefix": visible_prefix, "limit": limit, "offset": offset}
    if place:
        parameters |= {"series_id": place.series_id} | ({} if order == Order.ID else {"key": place.key})
    is_walked = not (contains or visible_prefix or offset)
    rows = session.execute(_PAGES[order, is_walked, before is not None, place is not None], parameters)
    return [summary_of(row) for row in rows]


def count_matching(session: Session, contains: str, visible_prefix: str = "") -> int:
    """Count the series that are on all pages of `listing`."""
    parameters = {"contains": contains.lower(), "visible_prefix": visible_prefix}
    return int(session.execute(_COUNT_MATCHING, parameters).scalar_one())
