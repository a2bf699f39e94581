"""Overviews of alerts for pages: the open ones by watch, counts for filters, and what fired together."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from shared.domain.watching.alerts import AlertStatus, Kind
from shared.store.alert_filters import HANDLING, REVIEW, AlertFilter, Handling, Reviewed, where
from shared.store.alerts import ALERTS, StoredAlert, stored
from shared.store.engine import Session

# The silence of a whole watch is worse than any deviation, and that of one stream better than all.
_BADNESS = """
CASE WHEN a.kind = 'deviation' THEN CAST(a.peak ->> 'score' AS double precision)
     WHEN a.series_no IS NULL THEN 'infinity' ELSE 0 END
"""
_OPEN = """
WITH unclosed AS (
  SELECT a.id, a.watch, a.status = 'ended' AS is_ended, a.acknowledged_at IS NOT NULL AS is_acknowledged,
         {badness} AS badness
    FROM alerts a WHERE a.status <> 'closed' AND a.quiet IS NULL AND {where}
), ranked AS (
  SELECT u.*, count(*) OVER (PARTITION BY watch) AS of_watch,
         max(badness) FILTER (WHERE NOT is_acknowledged AND NOT is_ended) OVER (PARTITION BY watch) AS worst,
         row_number() OVER (PARTITION BY watch ORDER BY is_ended, is_acknowledged, badness DESC, id) AS place
    FROM unclosed u
), shown AS (
  SELECT * FROM ranked WHERE place <= :of_each_watch ORDER BY worst DESC NULLS LAST, watch, place LIMIT :limit
)
SELECT x.*, s.of_watch FROM shown s JOIN LATERAL ({alerts} WHERE a.id = s.id) AS x ON true
 ORDER BY s.worst DESC NULLS LAST, s.watch, s.place
"""
_TOTALS = """
SELECT count(*) FILTER (WHERE a.status = 'open' AND a.quiet IS NULL) AS open,
       count(*) FILTER (WHERE a.status = 'ended' AND a.quiet IS NULL) AS ended,
       count(*) FILTER (WHERE a.quiet IS NOT NULL) AS quiet,
       count(DISTINCT a.watch) FILTER (WHERE a.quiet IS NULL) AS watches
  FROM alerts a WHERE a.status <> 'closed' AND {where}
"""
_LAST_CLOSED = """
SELECT max(coalesce((SELECT max(n.created_at) FROM notices n WHERE n.alert = c.id), c.changed_at)) FROM (
  SELECT a.id, a.changed_at FROM alerts a WHERE a.status = 'closed' AND {where}
   ORDER BY a.changed_at DESC LIMIT 100) AS c
"""
_STREAMS = text("""
SELECT count(*) AS streams, count(*) FILTER (WHERE t.silence IS NOT NULL) AS silent, max(t.arrived_at) AS arrived_at
  FROM streams t WHERE t.deleted_at IS NULL AND starts_with(t.series_id, :visible_prefix)
""")
# All that are not closed and the newest closed ones, so that a count never reads years of alerts.
_COUNTS = """
SELECT a.status, a.kind, a.watch, a.handling, a.review, count(*) AS alerts FROM (
  (SELECT a.status, a.kind, a.watch, {handling} AS handling, {review} AS review FROM alerts a
    WHERE a.status <> 'closed' AND {where} LIMIT :most)
  UNION ALL
  (SELECT a.status, a.kind, a.watch, {handling}, {review} FROM alerts a WHERE a.status = 'closed' AND {where}
    ORDER BY a.created_at DESC, a.id DESC LIMIT :most)) AS a
 GROUP BY a.status, a.kind, a.watch, a.handling, a.review
"""
# Those that fired together arrived together, or are still open: both are read from an index.
_TOGETHER = """
SELECT x.*, s.together FROM (
 SELECT a.id, count(*) OVER () AS together FROM alerts a
 WHERE (a.status <> 'closed' OR a.created_at BETWEEN :created_after AND :created_before)
   AND a.started_at BETWEEN :began_after AND :began_before AND a.id <> CAST(:alert_id AS uuid) AND {where}
 ORDER BY a.started_at, a.id LIMIT :limit) AS s JOIN LATERAL ({alerts} WHERE a.id = s.id) AS x ON true
 ORDER BY x.started_at, x.id
"""
_EARLIER = text(f"""
SELECT x.*, s.earlier, s.as_bad FROM (
SELECT a.id, count(*) OVER () AS earlier,
       count(*) FILTER (WHERE CAST(a.peak ->> 'score' AS double precision) >= :score) OVER () AS as_bad
  FROM alerts a
 WHERE a.series_id = :series_id AND a.kind = :kind AND a.started_at >= :began_after AND a.started_at < :began_before
   AND a.id <> CAST(:alert_id AS uuid)
 ORDER BY a.started_at DESC, a.id LIMIT :limit) AS s JOIN LATERAL ({ALERTS} WHERE a.id = s.id) AS x ON true
 ORDER BY x.started_at DESC, x.id
""")
_NOTICES = text("SELECT type, quiet, created_at FROM notices WHERE alert = CAST(:alert_id AS uuid) ORDER BY step")
# By the part of the id after the prefix of the watch, up to its next separator.
_SILENT_PARTS = text("""
SELECT left(t.series_id, length(w.prefix)) || substring(substr(t.series_id, length(w.prefix) + 1) FROM '^[._-]*[^._-]*')
         AS part, count(*) AS streams, count(*) FILTER (WHERE t.silence = CAST(:alert_id AS uuid)) AS silent
  FROM watches w JOIN streams t ON t.series_id >= w.prefix AND t.series_id < w.prefix || '~' AND t.deleted_at IS NULL
 WHERE w.name = :watch GROUP BY part ORDER BY silent DESC, part LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Open:
    """An alert that is not closed, and how many of its watch there are."""

    stored: StoredAlert
    of_watch: int


class Totals(NamedTuple):
    """Numbers of alerts that are not closed. Quiet ones count only as quiet."""

    open: int
    ended: int
    quiet: int
    watches: int


class Streams(NamedTuple):
    """Numbers of streams, and when the newest point of all came."""

    streams: int
    silent: int
    arrived_at: datetime | None


class Counted(NamedTuple):
    """How many alerts share these five."""

    status: AlertStatus
    kind: Kind
    watch: str
    handling: Handling
    review: Reviewed
    alerts: int


class Earlier(NamedTuple):
    """Alerts of the same series and kind before another: the newest of them, and how many were as bad."""

    newest: list[StoredAlert]
    number: int
    as_bad: int


class Notified(NamedTuple):
    """A notice of an alert."""

    type: str
    quiet: str | None
    created_at: datetime


class SilentPart(NamedTuple):
    """The streams of a watch whose ids begin alike, and how many of them are silent."""

    part: str
    streams: int
    silent: int


def open_now(session: Session, visible_prefix: str, of_each_watch: int, limit: int) -> list[Open]:
    """Return alerts that are not closed and not quiet, by watch, worst first."""
    parameters = _visible(visible_prefix) | {"of_each_watch": of_each_watch, "limit": limit}
    rows = session.execute(text(_OPEN.format(alerts=ALERTS, badness=_BADNESS, where=where(parameters))), parameters)
    return [Open(stored(row), row.of_watch) for row in rows]


def totals(session: Session, visible_prefix: str) -> Totals:
    """Count the alerts that are not closed."""
    parameters = _visible(visible_prefix)
    return Totals(*session.execute(text(_TOTALS.format(where=where(parameters))), parameters).one())


def last_closed(session: Session, visible_prefix: str) -> datetime | None:
    """Return when the last alert closed: the time of its last notice, because a later review changes the alert."""
    parameters = _visible(visible_prefix)
    return session.execute(text(_LAST_CLOSED.format(where=where(parameters))), parameters).scalar()


def streams(session: Session, visible_prefix: str) -> Streams:
    """Count the streams, which takes some ten milliseconds for 100,000."""
    return Streams(*session.execute(_STREAMS, {"visible_prefix": visible_prefix}).one())


def counts(session: Session, selection: AlertFilter, most: int) -> list[Counted]:
    """Count alerts by status, kind, watch, handling and review: at most `most` closed ones, and as many others."""
    unfiltered = replace(selection, status=None, kind=None, watch=None, handling=None, review=None)
    parameters = asdict(unfiltered) | {"most": most}
    statement = text(_COUNTS.format(handling=HANDLING, review=REVIEW, where=where(parameters)))
    return [
        Counted(
            AlertStatus(row.status), Kind(row.kind), row.watch, Handling(row.handling), Reviewed(row.review), row.alerts
        )
        for row in session.execute(statement, parameters)
    ]


def together(
    session: Session,
    about: StoredAlert,
    visible_prefix: str,
    began: tuple[int, int],
    arrived: tuple[datetime, datetime],
    limit: int,
) -> tuple[list[StoredAlert], int]:
    """Return other alerts that began in a span of seconds, the first ones first, and how many there are."""
    parameters = _visible(visible_prefix) | {
        "alert_id": about.alert.id,
        "began_after": began[0],
        "began_before": began[1],
        "created_after": arrived[0],
        "created_before": arrived[1],
        "limit": limit,
    }
    rows = session.execute(text(_TOGETHER.format(alerts=ALERTS, where=where(parameters))), parameters).all()
    return [stored(row) for row in rows], rows[0].together if rows else 0


def earlier(session: Session, about: StoredAlert, began_after: int, limit: int) -> Earlier:
    """Return alerts of the same series and kind that began before this one, newest first."""
    alert = about.alert
    parameters = {
        "series_id": about.series_id,
        "alert_id": alert.id,
        "kind": alert.kind,
        "score": alert.peak.score if alert.peak else 0.0,
        "began_after": began_after,
        "began_before": alert.started_at,
        "limit": limit,
    }
    rows = session.execute(_EARLIER, parameters).all()
    return Earlier([stored(row) for row in rows], *((rows[0].earlier, rows[0].as_bad) if rows else (0, 0)))


def notices(session: Session, alert_id: str) -> list[Notified]:
    """Return the notices of an alert in order."""
    return [Notified(*row) for row in session.execute(_NOTICES, {"alert_id": alert_id})]


def silent_parts(session: Session, about: StoredAlert, limit: int) -> list[SilentPart]:
    """Return how the silence of a whole watch is distributed over the beginnings of ids, the most silent ones first."""
    parameters = {"alert_id": about.alert.id, "watch": about.alert.watch, "limit": limit}
    return [SilentPart(*row) for row in session.execute(_SILENT_PARTS, parameters)]


def _visible(prefix: str) -> dict[str, object]:
    return {"visible_prefix": prefix or None}
