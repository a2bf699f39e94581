"""Spans of time that people marked: maintenance, and what fits must not learn from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from shared.store.engine import Session

_COLUMNS = """
SELECT CAST(id AS text) AS id, series_id, prefix, from_ts, to_ts, kind, note, created_by, created_at FROM spans
"""
_CREATE = text("""
INSERT INTO spans (id, series_id, prefix, from_ts, to_ts, kind, note, created_by)
VALUES (CAST(:id AS uuid), :series_id, :prefix, :from_ts, :to_ts, :kind, :note, :created_by)
""")
_ALL = text(f"{_COLUMNS} ORDER BY from_ts DESC, id LIMIT :limit")
_OF_SERIES = text(f"""
{_COLUMNS} WHERE (series_id = :series_id OR starts_with(:series_id, prefix)) AND to_ts >= :start AND from_ts <= :end
 ORDER BY from_ts DESC, id
""")
_MAINTENANCE = text(f"{_COLUMNS} WHERE kind = 'maintenance' ORDER BY from_ts DESC, id")
_ONE = text(f"{_COLUMNS} WHERE id = CAST(:id AS uuid)")
_DELETE = text("DELETE FROM spans WHERE id = CAST(:id AS uuid) RETURNING 1")


@dataclass(frozen=True, slots=True)
class Span:
    """An inclusive interval of timestamps, of one series or of all with a prefix."""

    id: str
    series_id: str | None
    prefix: str | None
    from_ts: int
    to_ts: int
    kind: str  # maintenance, or exclude
    note: str
    created_by: str
    created_at: datetime | None = None

    def covers(self, series_id: str) -> bool:
        """Whether the span is of this series."""
        return series_id == self.series_id if self.prefix is None else series_id.startswith(self.prefix)


def create(session: Session, span: Span) -> None:
    """Insert a span."""
    columns = ("id", "series_id", "prefix", "from_ts", "to_ts", "kind", "note", "created_by")
    session.execute(_CREATE, {name: getattr(span, name) for name in columns})


def newest(session: Session, limit: int) -> list[Span]:
    """Return the newest spans."""
    return [_span(row) for row in session.execute(_ALL, {"limit": limit})]


def of_series(session: Session, series_id: str, start: int, end: int) -> list[Span]:
    """Return the spans of a series that overlap an interval, newest first."""
    return [_span(row) for row in session.execute(_OF_SERIES, {"series_id": series_id, "start": start, "end": end})]


def maintenance(session: Session) -> list[Span]:
    """Return all maintenance."""
    return [_span(row) for row in session.execute(_MAINTENANCE)]


def find(session: Session, span_id: str) -> Span | None:
    """Return a span; None if it does not exist."""
    row = session.execute(_ONE, {"id": span_id}).first()
    return _span(row) if row else None


def delete(session: Session, span_id: str) -> bool:
    """Delete a span; return False if it does not exist."""
    return session.execute(_DELETE, {"id": span_id}).first() is not None


def _span(row: Row[Any]) -> Span:
    return Span(**row._asdict())
