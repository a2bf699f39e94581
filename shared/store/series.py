"""Series: lists and counts."""

from typing import Any

from sqlalchemy import Row, text

from shared.domain.versions import SeriesSummary
from shared.store.engine import Session

_SUMMARY = """
SELECT s.series_id, v.version AS latest_version, s.pinned_version,
       (SELECT count(*) FROM versions o WHERE o.series_id = s.series_id) AS versions,
       v.detector, v.points, v.first_timestamp, v.last_timestamp, v.anomaly_share, v.sparkline,
       v.created_at AS fitted_at
  FROM series s JOIN versions v ON v.series_id = s.series_id
   AND v.version = coalesce(s.pinned_version, (SELECT max(o.version) FROM versions o WHERE o.series_id = s.series_id))
"""
_ONE = text(_SUMMARY + " WHERE s.series_id = :series_id")
# '~' is greater than every character of an id, so that a prefix is a range of the primary key.
_PAGE = text(
    _SUMMARY
    + """
 WHERE s.series_id > :after AND s.series_id >= :prefix AND s.series_id < :prefix || '~'
   AND s.series_id >= :within AND s.series_id < :within || '~'
 ORDER BY s.series_id LIMIT :limit
"""
)
_COUNT = text("""
SELECT count(*) FROM series s
 WHERE s.series_id >= :within AND s.series_id < :within || '~'
   AND EXISTS (SELECT 1 FROM versions v WHERE v.series_id = s.series_id)
""")


def find(session: Session, series_id: str) -> SeriesSummary | None:
    """One series; None when it has no version."""
    row = session.execute(_ONE, {"series_id": series_id}).first()
    return _summary(row) if row else None


def page(session: Session, prefix: str, after: str, limit: int, within: str = "") -> list[SeriesSummary]:
    """Series that have versions, in the order of their ids, beginning behind the id `after`.

    Only those whose ids begin with both: the prefix asked for, and the one that the caller may see.
    """
    rows = session.execute(_PAGE, {"prefix": prefix, "after": after, "limit": limit, "within": within})
    return [_summary(row) for row in rows]


def count(session: Session, within: str = "") -> int:
    """How many series whose ids begin so have versions."""
    return int(session.execute(_COUNT, {"within": within}).scalar_one())


def _summary(row: Row[Any]) -> SeriesSummary:
    return SeriesSummary(**row._asdict())
