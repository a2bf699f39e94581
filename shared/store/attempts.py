"""Attempts: how a worker changes a job's row, from the claim to the end of the attempt.

All statements assume READ COMMITTED. Rows are locked in the order fit_jobs, series, versions. All times come from the
database's clock.
"""

from typing import Any

from sqlalchemy import text

from shared.domain.jobs import Claim
from shared.store.artifact_columns import artifact
from shared.store.engine import Session

# The statements of this package steer the planner away from plans that look cheap while few jobs are open in its
# statistics.
# IS TRUE avoids the index by status, which finds every row that has the status now or had it since the last vacuum.
# OFFSET 0 avoids a join with all open jobs: PostgreSQL looks up those of the series instead.

# No row: the message is stale or repeated, or the job is not due or not first in its series. Drop the message.
_CLAIM = text("""
UPDATE fit_jobs AS j
   SET status = 'running', attempt = j.attempt + 1, worker = :worker, progress = 0,
       lease_until = clock_timestamp() + make_interval(secs => :lease_s),
       started_at = coalesce(j.started_at, clock_timestamp())
 WHERE j.id = CAST(:job_id AS uuid) AND (j.status = 'queued') IS TRUE AND j.available_at <= clock_timestamp()
   AND NOT EXISTS (SELECT 1 FROM fit_jobs o
                    WHERE o.series_id = j.series_id AND o.status IN ('queued', 'running') AND o.seq < j.seq OFFSET 0)
RETURNING j.attempt, j.series_id, j.detector, j.parameters, j.points, j.data_key, j.data_sha256, j.data_size,
          j.request_id, j.api_key_id
""")

# No row: the job was canceled or lost, so stop. A canceled fit continues for at most one heartbeat interval.
_HEARTBEAT = text("""
UPDATE fit_jobs SET lease_until = clock_timestamp() + make_interval(secs => :lease_s),
                    progress = greatest(progress, :progress)
 WHERE id = CAST(:job_id AS uuid) AND attempt = :attempt AND (status = 'running') IS TRUE RETURNING 1
""")

# Infrastructure failed: requeue with a backoff that grows to 15 s, so that all jobs run again soon after it recovers.
# backoff_s = 0: the worker is shutting down.
_RELEASE = text("""
UPDATE fit_jobs SET status = 'queued', lease_until = NULL, worker = NULL, releases = releases + 1,
       available_at = clock_timestamp()
                    + make_interval(secs => :backoff_s * least(10, power(2, least(releases, 4))) * (0.5 + random())),
       announced_at = NULL, announcements = 0
 WHERE id = CAST(:job_id AS uuid) AND attempt = :attempt AND (status = 'running') IS TRUE RETURNING 1
""")

# The worker saw the process of the fit die, so the reconciler need not wait for the lease to expire.
_ABANDON = text("""
UPDATE fit_jobs SET lease_until = clock_timestamp()
 WHERE id = CAST(:job_id AS uuid) AND worker = :worker AND (status = 'running') IS TRUE RETURNING 1
""")

# The data or the math makes this fit fail every time, so this is final. The data is kept for a retry.
_FAIL = text("""
UPDATE fit_jobs SET status = 'failed', error_code = :code, error_detail = left(:detail, 500), lease_until = NULL,
       finished_at = clock_timestamp()
 WHERE id = CAST(:job_id AS uuid) AND attempt = :attempt AND (status = 'running') IS TRUE RETURNING 1
""")

# announced_at is NULL while no message can be in flight. A message that arrives while an earlier job of the series is
# open is consumed: the process that ends the earlier job sends another one.
_MESSAGE_SPENT = text("""
UPDATE fit_jobs SET announced_at = NULL WHERE id = CAST(:job_id AS uuid) AND (status = 'queued') IS TRUE RETURNING 1
""")


def claim(session: Session, job_id: str, worker: str, lease_s: float) -> Claim | None:
    """Claim the job; return None unless it is queued, due and the first open job of its series."""
    row = session.execute(_CLAIM, {"job_id": job_id, "worker": worker, "lease_s": lease_s}).first()
    if row is None:
        return None
    return Claim(
        job_id=job_id,
        attempt=row.attempt,
        series_id=row.series_id,
        detector=row.detector,
        parameters=row.parameters,
        points=row.points,
        data=artifact(row, "data"),
        request_id=row.request_id,
        api_key_id=row.api_key_id,
    )


def heartbeat(session: Session, claimed: Claim, progress: float, lease_s: float) -> bool:
    """Renew the lease; return False if the job no longer belongs to this attempt."""
    return _changed(session, _HEARTBEAT, claimed, progress=progress, lease_s=lease_s)


def release(session: Session, claimed: Claim, backoff_s: float) -> bool:
    """Requeue the job without counting a crash; return False if it no longer belongs to this attempt."""
    return _changed(session, _RELEASE, claimed, backoff_s=backoff_s)


def abandon(session: Session, job_id: str, worker: str) -> bool:
    """Expire the lease of a job now, which counts as a crash; return False if this worker does not hold it."""
    return session.execute(_ABANDON, {"job_id": job_id, "worker": worker}).first() is not None


def fail(session: Session, claimed: Claim, code: str, detail: str) -> bool:
    """Mark the job as failed; return False if it no longer belongs to this attempt."""
    return _changed(session, _FAIL, claimed, code=code, detail=detail)


def message_spent(session: Session, job_id: str) -> bool:
    """Record that the job's message arrived too early; return False if the job is no longer queued."""
    return session.execute(_MESSAGE_SPENT, {"job_id": job_id}).first() is not None


def _changed(session: Session, statement: Any, claimed: Claim, **parameters: object) -> bool:
    parameters |= {"job_id": claimed.job_id, "attempt": claimed.attempt}
    return session.execute(statement, parameters).first() is not None
