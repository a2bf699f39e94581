"""Streams: the live side of series. Their rows are locked in the order of their numbers, after versions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text

from shared.domain.versions import Artifact
from shared.domain.watching.alerts import Alert, AlertStatus, Anomaly, Kind
from shared.domain.watching.rules import Position, as_position
from shared.store.engine import Session
from shared.store.latest import latest_rows

# --- ingest ---------------------------------------------------------------------------------------------------------

# Only for ids that `read` did not find: the identity uses up numbers on each call. In the order of ids, because two
# transactions that create the same streams in other orders would deadlock.
_CREATE = text("""
INSERT INTO streams (series_id)
SELECT series_id FROM unnest(CAST(:series_ids AS text[])) AS requested (series_id) ORDER BY series_id COLLATE "C"
ON CONFLICT (series_id) WHERE deleted_at IS NULL DO NOTHING
""")
_COUNT = text("SELECT count(*) FROM (SELECT 1 FROM streams WHERE deleted_at IS NULL LIMIT :limit) AS counted")

# One statement, so one snapshot: everything is as old as the revision. The latest version is the one that predictions
# use; LATERAL looks it up for each stream, because the planner would join with all series.
_LATEST = latest_rows("o.version, o.last_timestamp, o.state_key, o.state_sha256, o.state_size")
_COLUMNS = f"""
SELECT t.no, t.series_id, t.revision, t.last_timestamp, t.points, t.late, t.version, t.carry, t.recent, t.normal,
       t.pending, t.watch, t.silence IS NOT NULL AS is_silent, t.fit_at_points,
       t.fit_due_at <= clock_timestamp() AS fit_is_due, t.arrived_at, t.usual_step_s, t.ended_at,
       to_jsonb(d) AS alert, to_jsonb(q) AS own_silence,
       l.version AS latest, l.last_timestamp AS training_end, l.state_key, l.state_sha256, l.state_size
  FROM streams t
  LEFT JOIN LATERAL (SELECT v.* FROM {_LATEST} WHERE s.series_id = t.series_id) AS l ON true
  LEFT JOIN alerts d ON d.id = t.alert AND d.status <> 'closed'
  LEFT JOIN alerts q ON q.id = t.silence AND q.status <> 'closed' AND q.series_no IS NOT NULL
"""
_READ = text(f"{_COLUMNS} WHERE t.series_id = ANY (CAST(:series_ids AS text[])) AND t.deleted_at IS NULL")
_LOCK = text("""
SELECT no FROM streams WHERE series_id = ANY (CAST(:series_ids AS text[])) AND deleted_at IS NULL
 ORDER BY no FOR NO KEY UPDATE
""")

# --- ended ----------------------------------------------------------------------------------------------------------

# A point that is later than the last one takes the mark away (`intake`).
_END = text("""
WITH locked AS MATERIALIZED (
  SELECT t.no FROM streams t
    JOIN unnest(CAST(:series_ids AS text[]), CAST(:timestamps AS bigint[])) AS ended (series_id, timestamp)
      ON t.series_id = ended.series_id AND t.last_timestamp <= ended.timestamp
   WHERE t.deleted_at IS NULL AND t.ended_at IS NULL ORDER BY t.no FOR NO KEY UPDATE OF t
)
UPDATE streams t SET ended_at = clock_timestamp() FROM locked WHERE t.no = locked.no
""")

# --- lists ------------------------------------------------------------------------------------------------------------

_LEARNING = text("""
SELECT t.series_id FROM streams t
 WHERE t.deleted_at IS NULL AND t.series_id > :after AND t.series_id >= :prefix AND t.series_id < :prefix || '~'
   AND t.series_id >= :visible_prefix AND t.series_id < :visible_prefix || '~'
   AND strpos(lower(t.series_id), :contains) > 0
   AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.series_id = t.series_id)
 ORDER BY t.series_id LIMIT :limit
""")
_COUNT_LEARNING = text("""
SELECT count(*) FROM streams t
 WHERE t.deleted_at IS NULL AND t.series_id >= :prefix AND t.series_id < :prefix || '~'
   AND t.series_id >= :visible_prefix AND t.series_id < :visible_prefix || '~'
   AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.series_id = t.series_id)
""")

# --- delete -----------------------------------------------------------------------------------------------------------

# With the series: its id is free at once, and an ingest in flight finds another revision. The reconciler deletes the
# points, so that no statement of a request deletes millions of rows.
_MARK_DELETED = text("""
UPDATE streams SET deleted_at = clock_timestamp(), revision = revision + 1, fit_due_at = NULL, fit_outcome = NULL
 WHERE series_id = :series_id AND deleted_at IS NULL RETURNING no
""")
_DELETE_BEFORE = text("""
UPDATE streams SET delete_before = greatest(delete_before, :before), revision = revision + 1
 WHERE series_id = :series_id AND deleted_at IS NULL RETURNING no
""")
_TO_DELETE = text("""
SELECT no, deleted_at IS NOT NULL AS is_deleted, delete_before FROM streams
 WHERE (deleted_at IS NOT NULL OR delete_before IS NOT NULL) AND no > :after ORDER BY no LIMIT :limit
""")
_POINTS_DELETED = text("""
UPDATE streams SET delete_before = NULL, revision = revision + 1
 WHERE no = :no AND deleted_at IS NULL AND delete_before = :before
""")
_DELETE = text("DELETE FROM streams WHERE no = :no AND deleted_at IS NOT NULL")
_RESTART_SILENCE = text("UPDATE streams SET arrived_at = clock_timestamp() WHERE arrived_at IS NOT NULL")


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream, its unclosed alerts, and the latest version of its series."""

    no: int
    series_id: str
    revision: int
    last_timestamp: int | None
    points: int
    late: int
    version: int | None  # judged the newest point
    carry: list[float] | None
    position: Position
    watch: str | None
    is_silent: bool
    fit_at_points: int | None
    fit_is_due: bool
    arrived_at: datetime | None
    usual_step_s: float | None
    latest: int | None
    training_end: int | None  # last timestamp of the latest version's training data
    state: Artifact | None
    ended_at: datetime | None = None  # when its sender said that no more points come


class ToDelete(NamedTuple):
    """A stream whose points the reconciler has to delete."""

    no: int
    is_deleted: bool
    delete_before: int | None


def read(session: Session, series_ids: Collection[str]) -> dict[str, Stream]:
    """Return the existing streams by id, in one snapshot."""
    rows = session.execute(_READ, {"series_ids": list(series_ids)})
    return {row.series_id: _stream(row) for row in rows}


def lock(session: Session, series_ids: Collection[str]) -> None:
    """Lock the streams until the end of the transaction, so that nothing changes between `read` and the intake."""
    session.execute(_LOCK, {"series_ids": list(series_ids)})


def create(session: Session, series_ids: Collection[str]) -> None:
    """Create streams that do not exist."""
    session.execute(_CREATE, {"series_ids": sorted(series_ids)})


def end(session: Session, timestamps: Mapping[str, int]) -> None:
    """Note that the senders of streams announced their end. timestamps: of the announcement, by series id."""
    session.execute(_END, {"series_ids": list(timestamps), "timestamps": list(timestamps.values())})


def count(session: Session, limit: int) -> int:
    """Count the streams, at most up to `limit`."""
    return int(session.execute(_COUNT, {"limit": limit}).scalar_one())


def learning(
    session: Session, prefix: str, after: str, limit: int, visible_prefix: str = "", contains: str = ""
) -> list[str]:
    """Return ids of streams whose series has no version yet, in order, starting after the id `after`.

    contains: a part of the ids, in any case.
    """
    parameters = {"prefix": prefix, "after": after, "limit": limit, "visible_prefix": visible_prefix}
    return list(session.execute(_LEARNING, parameters | {"contains": contains.lower()}).scalars())


def count_learning(session: Session, prefix: str, visible_prefix: str = "") -> int:
    """Count the streams that `learning` lists."""
    parameters = {"prefix": prefix, "visible_prefix": visible_prefix}
    return int(session.execute(_COUNT_LEARNING, parameters).scalar_one())


def mark_deleted(session: Session, series_id: str) -> int | None:
    """Release the id of a stream; return the stream's number, or None if it does not exist."""
    return session.execute(_MARK_DELETED, {"series_id": series_id}).scalar()


def delete_before(session: Session, series_id: str, before: int) -> bool:
    """Request the deletion of points before a timestamp; return False if no points of the series are stored."""
    return session.execute(_DELETE_BEFORE, {"series_id": series_id, "before": before}).first() is not None


def to_delete(session: Session, after: int, limit: int) -> list[ToDelete]:
    """Return streams with points to delete, by number, starting after the number `after`."""
    return [ToDelete(*row) for row in session.execute(_TO_DELETE, {"after": after, "limit": limit})]


def points_deleted(session: Session, stream: ToDelete) -> None:
    """Record that the points of a stream are deleted: delete the row of a deleted stream."""
    if stream.is_deleted:
        session.execute(_DELETE, {"no": stream.no})
    else:
        session.execute(_POINTS_DELETED, {"no": stream.no, "before": stream.delete_before})


def restart_silence(session: Session) -> None:
    """Restart the clock of silence for all streams, after a restore."""
    session.execute(_RESTART_SILENCE)


def alert_of(columns: Mapping[str, Any] | None) -> Alert | None:
    """Return the alert of a row as JSON."""
    if columns is None:
        return None
    peak = columns["peak"]
    return Alert(
        id=columns["id"],
        watch=columns["watch"],
        kind=Kind(columns["kind"]),
        status=AlertStatus(columns["status"]),
        started_at=columns["started_at"],
        opened_at=columns["opened_at"],
        last_anomaly_at=columns["last_anomaly_at"],
        ended_at=columns["ended_at"],
        peak=None if peak is None else Anomaly(**peak),
        reported_score=columns["reported_score"],
        points=columns["points"],
        version=columns["version"],
        quiet=columns["quiet"],
        step=columns["step"],
    )


def _stream(row: Row[Any]) -> Stream:
    state = None if row.state_key is None else Artifact(row.state_key, bytes(row.state_sha256), row.state_size)
    return Stream(
        no=row.no,
        series_id=row.series_id,
        revision=row.revision,
        last_timestamp=row.last_timestamp,
        points=row.points,
        late=row.late,
        version=row.version,
        carry=row.carry,
        position=as_position(row.recent, row.normal, row.pending, alert_of(row.alert), alert_of(row.own_silence)),
        watch=row.watch,
        is_silent=row.is_silent,
        fit_at_points=row.fit_at_points,
        fit_is_due=bool(row.fit_is_due),
        arrived_at=row.arrived_at,
        usual_step_s=row.usual_step_s,
        latest=row.latest,
        training_end=row.training_end,
        state=state,
        ended_at=row.ended_at,
    )
