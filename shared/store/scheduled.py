"""Automatic fits: which streams are due, what became of their slots, and alerts about fits that keep failing.

`streams.fit_due_at` is when the scheduler looks at a stream next: because it has grown (the intake writes the present),
or because a slot of its watch begins (the scheduler writes the future). Rows are locked in the order fit_jobs, series,
versions, streams by number, alerts, notices.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Row, text

from shared.domain.jobs import SCHEDULER
from shared.domain.watching.alerts import Kind, Notice
from shared.domain.watching.rules import closed
from shared.domain.watching.schedules import FAILING
from shared.domain.watching.watches import Watch
from shared.store import alerts
from shared.store.engine import Session
from shared.store.latest import latest_rows
from shared.store.locks import RECONCILER
from shared.store.streams import alert_of

_LOCK = text(f"SELECT pg_try_advisory_xact_lock({RECONCILER}, 2)")
_LATEST = latest_rows("o.version, o.last_timestamp")
_STREAMS = f"""
SELECT t.no, t.series_id, t.points, t.last_timestamp, t.fit_at_points, t.fit_due_at, t.fit_slot, t.fit_outcome,
       t.fit_detail, t.fit_settled_at, t.fit_failures, l.version, l.last_timestamp AS training_end, l.pinned_version
  FROM streams t
  LEFT JOIN LATERAL (SELECT v.*, s.pinned_version FROM {_LATEST} WHERE s.series_id = t.series_id) AS l ON true
"""
_DUE = text(f"""
{_STREAMS} WHERE t.fit_due_at <= clock_timestamp() AND t.deleted_at IS NULL ORDER BY t.fit_due_at, t.no LIMIT :limit
""")
_OF_SERIES = text(f"{_STREAMS} WHERE t.series_id = :series_id AND t.deleted_at IS NULL")

# Streams whose watch is new or has changed. Before its first automatic fit, a stream without versions has no slots.
_UNPLANNED = text("""
SELECT t.no, t.series_id, t.fit_failures FROM streams t
  JOIN unnest(CAST(:names AS text[]), CAST(:revisions AS bigint[])) AS w (name, revision) ON w.name = t.watch
 WHERE t.deleted_at IS NULL AND t.refit_revision IS DISTINCT FROM w.revision
   AND (t.fit_at_points IS DISTINCT FROM 0 OR EXISTS (SELECT 1 FROM versions v WHERE v.series_id = t.series_id))
 ORDER BY t.no LIMIT :limit
""")
# In the order of their numbers, like an intake, which may change the same rows.
_PLAN = text("""
WITH planned AS MATERIALIZED (
  SELECT t.no, x.due_at, x.revision
    FROM unnest(CAST(:nos AS integer[]), CAST(:dues AS bigint[]), CAST(:revisions AS bigint[]))
      AS x (no, due_at, revision) JOIN streams t ON t.no = x.no WHERE t.deleted_at IS NULL
   ORDER BY t.no FOR NO KEY UPDATE OF t
)
UPDATE streams t
   SET refit_revision = p.revision,
       fit_due_at = CASE WHEN t.fit_due_at > clock_timestamp() OR t.fit_due_at IS NULL OR :overdue
                         THEN to_timestamp(p.due_at) ELSE t.fit_due_at END
  FROM planned p WHERE t.no = p.no
""")

# Points that came since the stream was read may make it due at once; the next points note it again.
_SETTLE = text("""
UPDATE streams
   SET fit_slot = :slot, fit_outcome = :outcome, fit_detail = left(:detail, 500), fit_settled_at = clock_timestamp(),
       fit_failures = :failures, fit_at_points = :at_points, fit_due_at = to_timestamp(:due_at),
       refit_revision = :revision
 WHERE no = :no AND deleted_at IS NULL AND fit_slot IS NOT DISTINCT FROM :previous
RETURNING no
""")
_LEAVE = text("UPDATE streams SET fit_due_at = NULL, refit_revision = NULL WHERE no = :no")

# Slots whose job has ended: `fit_failures` counts failures in a row.
_ENDED = text(f"""
WITH ended AS MATERIALIZED (
  SELECT t.no, j.status, j.error_detail, CAST(extract(epoch FROM j.finished_at) AS bigint) AS finished_at
    FROM streams t
    JOIN fit_jobs j ON j.api_key_id = '{SCHEDULER}' AND j.idempotency_key = 'refit:' || t.no || ':' || t.fit_slot
   WHERE t.fit_outcome = 'requested' AND j.status IN ('succeeded', 'failed', 'cancelled')
   ORDER BY t.no LIMIT :limit FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE streams t
   SET fit_outcome = CASE e.status WHEN 'succeeded' THEN 'fitted' ELSE e.status END, fit_detail = e.error_detail,
       fit_failures = CASE e.status WHEN 'succeeded' THEN 0 WHEN 'failed' THEN least(t.fit_failures + 1, 1000)
                                    ELSE t.fit_failures END
  FROM ended e WHERE t.no = e.no
RETURNING t.no, t.series_id, t.watch, t.fit_outcome, t.fit_failures, e.finished_at
""")
_OPEN = text(f"""
WITH opened AS (
  INSERT INTO alerts (id, series_no, series_id, watch, kind, status, started_at, opened_at, last_anomaly_at, points,
                      step)
  SELECT x.id, x.no, x.series_id, x.watch, '{Kind.REFIT_FAILING}', 'open', x.at, x.at, x.at, {FAILING}, 1
    FROM unnest(CAST(:ids AS uuid[]), CAST(:nos AS integer[]), CAST(:series_ids AS text[]), CAST(:watches AS text[]),
                CAST(:moments AS bigint[])) AS x (id, no, series_id, watch, at)
  ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO notices (alert, step, type) SELECT id, 1, '{Notice.OPENED}' FROM opened RETURNING alert
""")
_FAILING = text(f"""
SELECT to_jsonb(a) AS alert FROM alerts a
 WHERE a.series_no = ANY (CAST(:nos AS integer[])) AND a.kind = '{Kind.REFIT_FAILING}' AND a.status <> 'closed'
 ORDER BY a.series_no FOR NO KEY UPDATE
""")
_JOB = text(f"""
SELECT CAST(id AS text) FROM fit_jobs WHERE api_key_id = '{SCHEDULER}' AND idempotency_key = :key
""")


class Outcome(StrEnum):
    """What became of a slot."""

    REQUESTED = "requested"  # its job is open
    FITTED = "fitted"
    FAILED = "failed"
    REFUSED = "refused"  # the points cannot be fitted
    SKIPPED = "skipped"  # the series is pinned, or has no new points
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A stream as the scheduler sees it."""

    no: int
    series_id: str
    points: int
    last_timestamp: int | None
    fit_at_points: int | None  # number of points that makes the next fit of a growing stream due
    fit_due_at: datetime | None
    fit_slot: int | None  # the newest slot that was settled, and what became of it
    fit_outcome: Outcome | None
    fit_detail: str | None
    fit_settled_at: datetime | None
    fit_failures: int
    version: int | None  # the latest
    training_end: int | None  # last timestamp of its training data
    pinned_version: int | None

    @property
    def grown(self) -> int | None:
        """The slot of a fit that is due because the stream has grown; None if none is."""
        at_points = self.fit_at_points
        if at_points is None or self.points < at_points or (at_points == 0 and self.version is not None):
            return None
        return at_points


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a slot, and what comes next."""

    slot: int | None
    outcome: Outcome | None
    detail: str | None
    failures: int
    at_points: int | None
    due_at: int | None  # seconds since 1970; None: no slot follows
    revision: int | None  # of the watch


class Unplanned(NamedTuple):
    """A stream that needs its next slot."""

    no: int
    series_id: str
    failures: int


def take_turn(session: Session) -> bool:
    """Try to take the lock of the scheduler until the end of the transaction."""
    return bool(session.execute(_LOCK).scalar_one())


def due(session: Session, limit: int) -> list[Scheduled]:
    """Return streams that are due for a fit, longest due first."""
    return [_scheduled(row) for row in session.execute(_DUE, {"limit": limit})]


def find(session: Session, series_id: str) -> Scheduled | None:
    """Return the schedule of a series; None if it has no stored points."""
    row = session.execute(_OF_SERIES, {"series_id": series_id}).first()
    return _scheduled(row) if row else None


def job_of(session: Session, stream: Scheduled) -> str | None:
    """Return the id of the job of the stream's newest slot; None if it has none, or the row was deleted."""
    key = f"refit:{stream.no}:{stream.fit_slot}"
    return session.execute(_JOB, {"key": key}).scalar()


def unplanned(session: Session, watches: Sequence[Watch], limit: int) -> list[Unplanned]:
    """Return streams whose next slot was planned by another revision of their watch, or not at all."""
    rules = {"names": [watch.name for watch in watches], "revisions": [watch.revision for watch in watches]}
    return [Unplanned(*row) for row in session.execute(_UNPLANNED, rules | {"limit": limit})]


def plan(session: Session, planned: Iterable[tuple[int, int | None, int]], *, overdue: bool = False) -> None:
    """Set when streams are due. planned: number of the stream, seconds since 1970 or None, revision of the watch.

    overdue: also of streams that are due by now; otherwise they stay due.
    """
    nos, dues, revisions = zip(*planned, strict=True)
    session.execute(_PLAN, {"nos": list(nos), "dues": list(dues), "revisions": list(revisions), "overdue": overdue})


def settle(session: Session, stream: Scheduled, settled: Settled) -> None:
    """Record what became of the slot of a stream, unless another process has settled it."""
    parameters: dict[str, Any] = {
        "no": stream.no,
        "previous": stream.fit_slot,
        "slot": settled.slot,
        "outcome": settled.outcome,
        "detail": settled.detail,
        "failures": settled.failures,
        "at_points": settled.at_points,
        "due_at": settled.due_at,
        "revision": settled.revision,
    }
    session.execute(_SETTLE, parameters)


def leave(session: Session, no: int) -> None:
    """Forget the next slot of a stream, because it has no watch or a paused one."""
    session.execute(_LEAVE, {"no": no})


def note_ended(session: Session, limit: int) -> tuple[int, int]:
    """Record what became of requested fits; return the numbers of alerts opened and closed.

    The third failed fit in a row opens an alert, and the next one that succeeds closes it.
    """
    ended = session.execute(_ENDED, {"limit": limit}).all()
    failing = [row for row in ended if row.fit_failures >= FAILING and row.watch]
    opened = open_failing(session, [(row.no, row.series_id, row.watch, row.finished_at) for row in failing])
    fitted = {row.no: row.finished_at for row in ended if row.fit_outcome == Outcome.FITTED}
    return opened, _close_failing(session, fitted)


def open_failing(session: Session, failing: Sequence[tuple[int, str, str, int]]) -> int:
    """Open alerts about streams whose fits keep failing, where none is open; return how many.

    failing: number and id of the stream, name of its watch, and the time of the last failure.
    """
    if not failing:
        return 0
    nos, series_ids, names, moments = zip(*failing, strict=True)
    columns = {"nos": list(nos), "series_ids": list(series_ids), "watches": list(names), "moments": list(moments)}
    ids = [str(uuid.uuid4()) for _ in failing]
    return len(session.execute(_OPEN, {"ids": ids, **columns}).all())


def _close_failing(session: Session, fitted: dict[int, int]) -> int:
    if not fitted:
        return 0
    rows = session.execute(_FAILING, {"nos": list(fitted)})
    pairs = [
        closed(alert, fitted[row.alert["series_no"]]) for row in rows if (alert := alert_of(row.alert)) is not None
    ]
    alerts.write(session, pairs)
    return len(pairs)


def _scheduled(row: Row[Any]) -> Scheduled:
    columns = row._asdict()
    outcome = columns.pop("fit_outcome")
    return Scheduled(**columns, fit_outcome=None if outcome is None else Outcome(outcome))
