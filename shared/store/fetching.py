"""Runs of fetched sources: who may fetch now, how far each query is, and requests to try a source.

A run owns its source until its lease ends. Each step extends the lease, and writes nothing if another run has begun.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text

from shared.domain.series import DAY_S
from shared.domain.watching.condition import Condition
from shared.domain.watching.fetching import key_of
from shared.domain.watching.sources import Source, parse
from shared.store.engine import Session

LEASE_S = 120.0  # a step is one request and its points
KEPT_RUNS = 200  # of each source
FIRST = "-first"

_CLAIM = text("""
WITH due AS MATERIALIZED (
  SELECT name FROM sources
   WHERE due_at <= :now AND (lease_until IS NULL OR lease_until < :now) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
), lost AS (
  UPDATE source_runs r SET status = 'lost', ended_at = :now, detail = 'The process that fetched it stopped.'
    FROM due WHERE r.source = due.name AND r.status = 'running'
), run AS (
  INSERT INTO source_runs (source, status, started_at) SELECT name, 'running', :now FROM due RETURNING id, source
)
UPDATE sources s SET lease_until = CAST(:now AS timestamptz) + make_interval(secs => :lease_s), run = run.id
  FROM run WHERE s.name = run.source RETURNING s.name, s.document, s.revision, s.loaded, run.id
""")
_STEP = text("""
WITH mine AS (
  UPDATE sources SET loaded = CAST(:loaded AS jsonb),
         lease_until = CAST(:now AS timestamptz) + make_interval(secs => :lease_s)
   WHERE name = :name AND run = :run AND revision = :revision AND lease_until IS NOT NULL RETURNING name
)
UPDATE source_runs SET from_ts = :from_ts, to_ts = :to_ts, series = :series, points = :points, refused = :refused
 WHERE id = :run AND EXISTS (SELECT 1 FROM mine) RETURNING id
""")
_FINISH = text("""
WITH mine AS (
  UPDATE sources SET lease_until = NULL, due_at = CAST(:now AS timestamptz) + make_interval(secs => :wait_s),
         failing_since = CASE WHEN :failed THEN coalesce(failing_since, :now) END
   WHERE name = :name AND run = :run AND revision = :revision
)
UPDATE source_runs SET status = CASE WHEN :failed THEN 'failed' ELSE 'succeeded' END, ended_at = :now,
       from_ts = :from_ts, to_ts = :to_ts, series = :series, points = :points, refused = :refused, detail = :detail
 WHERE id = :run
""")
_FORGET = text("""
DELETE FROM source_runs WHERE source = :name AND id <= (
  SELECT id FROM source_runs WHERE source = :name ORDER BY id DESC OFFSET :kept LIMIT 1)
""")
_IS_EARLY = text("""
SELECT NOT EXISTS (SELECT 1 FROM source_series c JOIN series s USING (series_id) WHERE c.source = :name)
   AND (SELECT min(started_at) FROM source_runs WHERE source = :name)
       > CAST(:now AS timestamptz) - make_interval(secs => :early_s)
""")
_RUNS = text("""
SELECT id, started_at, ended_at, status, from_ts, to_ts, series, points, refused, detail FROM source_runs
 WHERE source = :name ORDER BY id DESC LIMIT :limit
""")
# is_deep: look at each series, too, for the newest point of sources that send, and for ids that several would have.
_CONDITIONS = text("""
SELECT s.name, s.document, s.revision, s.failing_since, s.loaded,
       CASE WHEN s.lease_until IS NULL OR s.lease_until < :now THEN s.due_at END AS due_at,
       EXISTS (SELECT 1 FROM source_series c WHERE c.source = s.name) AS has_series,
       CASE WHEN s.failing_since IS NOT NULL THEN (
         SELECT r.detail FROM source_runs r WHERE r.source = s.name AND r.status = 'failed' ORDER BY r.id DESC LIMIT 1
       ) END AS detail,
       CASE WHEN :is_deep AND s.kind = 'remote_write' THEN (
         SELECT max(t.arrived_at) FROM source_series c JOIN streams t USING (series_id)
          WHERE c.source = s.name AND t.deleted_at IS NULL) END AS arrived_at,
       CASE WHEN :is_deep THEN (
         SELECT min(c.series_id) FROM source_series c WHERE c.source = s.name AND c.rejected IS NOT NULL
       ) END AS colliding
  FROM sources s ORDER BY s.name
""")

# --- trying a source --------------------------------------------------------------------------------------------------

_REQUEST_TEST = text("INSERT INTO source_tests (id, document) VALUES (CAST(:id AS uuid), CAST(:document AS jsonb))")
_CLAIM_TEST = text("""
WITH old AS (DELETE FROM source_tests WHERE created_at < clock_timestamp() - interval '1 hour')
UPDATE source_tests SET taken_at = clock_timestamp() WHERE id = (
  SELECT id FROM source_tests WHERE taken_at IS NULL AND created_at >= clock_timestamp() - interval '1 minute'
   ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, document
""")
_ANSWER_TEST = text("UPDATE source_tests SET result = CAST(:result AS jsonb) WHERE id = CAST(:id AS uuid)")
_RESULT = text("SELECT result FROM source_tests WHERE id = CAST(:id AS uuid)")


@dataclass(slots=True)
class Lease:
    """A source that this process fetches now."""

    source: Source
    run: int
    loaded: dict[str, int]  # last timestamp that was fetched, by key of the query; the first one, by key and FIRST


@dataclass(slots=True)
class Progress:
    """What a run has done so far."""

    from_ts: int | None = None
    to_ts: int | None = None
    series: dict[str, int] = field(default_factory=dict)  # by query
    points: int = 0
    refused: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as people see it."""

    run_id: int
    started_at: datetime
    ended_at: datetime | None
    status: str
    from_ts: int | None
    to_ts: int | None
    series: int
    points: int
    refused: int
    detail: str


def claim(session: Session, now: datetime) -> Lease | None:
    """Begin a run of one source that is due; return None if none is."""
    row = session.execute(_CLAIM, {"now": now, "lease_s": LEASE_S}).first()
    if row is None:
        return None
    source = parse(row.name, row.document, max_history_s=10_000 * DAY_S, revision=row.revision, stored=True)
    return Lease(source, row.id, row.loaded)


def step(session: Session, lease: Lease, progress: Progress, now: datetime) -> bool:
    """Note how far the run is; return False if it must stop, because the source changed or another run began."""
    parameters = _parameters(lease, progress, now) | {"loaded": json.dumps(lease.loaded), "lease_s": LEASE_S}
    return session.execute(_STEP, parameters).first() is not None


def finish(session: Session, lease: Lease, progress: Progress, now: datetime, wait_s: float, *, failed: bool) -> None:
    """End a run. wait_s: until the next one."""
    parameters = _parameters(lease, progress, now)
    session.execute(_FINISH, parameters | {"detail": progress.detail[:2_000], "wait_s": wait_s, "failed": failed})
    session.execute(_FORGET, {"name": lease.source.name, "kept": KEPT_RUNS})


def is_early(session: Session, source: str, now: datetime, early_s: float) -> bool:
    """Check whether no series of a source has had a version, and its first run began less than `early_s` ago."""
    return bool(session.execute(_IS_EARLY, {"name": source, "now": now, "early_s": early_s}).scalar_one())


def runs(session: Session, source: str, limit: int) -> list[Run]:
    """Return the newest runs of a source."""
    return [Run(*row) for row in session.execute(_RUNS, {"name": source, "limit": limit})]


def conditions(session: Session, now: datetime, *, is_deep: bool = False) -> list[Condition]:
    """Return how all sources are doing. is_deep: with what takes a look at each series."""
    return [
        Condition(
            source := parse(row.name, row.document, max_history_s=10_000 * DAY_S, revision=row.revision, stored=True),
            row.has_series,
            row.failing_since,
            row.detail or "",
            row.due_at,
            min((row.loaded.get(key_of(query), 0) for query in source.queries), default=0) or None,
            row.arrived_at,
            row.colliding,
        )
        for row in session.execute(_CONDITIONS, {"now": now, "is_deep": is_deep})
    ]


def request_test(session: Session, test_id: str, document: Mapping[str, Any]) -> None:
    """Ask outbound to try a source."""
    session.execute(_REQUEST_TEST, {"id": test_id, "document": json.dumps(document)})


def claim_test(session: Session) -> tuple[str, dict[str, Any]] | None:
    """Take one request to try a source: its id, and the document; None if there is none."""
    row = session.execute(_CLAIM_TEST).first()
    return None if row is None else (str(row.id), row.document)


def answer_test(session: Session, test_id: str, result: Mapping[str, Any]) -> None:
    """Store what trying a source gave."""
    session.execute(_ANSWER_TEST, {"id": test_id, "result": json.dumps(result)})


def test_result(session: Session, test_id: str) -> dict[str, Any] | None:
    """Return what trying a source gave; None: nothing yet."""
    result: dict[str, Any] | None = session.execute(_RESULT, {"id": test_id}).scalar()
    return result


def _parameters(lease: Lease, progress: Progress, now: datetime) -> dict[str, Any]:
    return {
        "name": lease.source.name,
        "run": lease.run,
        "revision": lease.source.revision,
        "now": now,
        "from_ts": progress.from_ts,
        "to_ts": progress.to_ts,
        "series": sum(progress.series.values()),
        "points": progress.points,
        "refused": progress.refused,
    }
