"""Attempts: what a worker does with a job's row, from the claim to the end of the attempt.

Everything assumes READ COMMITTED. Rows are locked in the order fit_jobs, series, versions. Times are the database's.
"""

from typing import Any

from sqlalchemy import text

from shared.domain.jobs import Claim
from shared.domain.versions import Artifact
from shared.store.engine import Session

# Here and below, the planner is kept from what looks cheap while its statistics know of few open jobs. IS TRUE keeps it
# from the index by status, where it would read all that have the status now, or had it since the last vacuum; OFFSET 0
# from joining with all open jobs, instead of looking at those of the series.

# No row = stale or repeated message, not due, or not first in line: drop the message.
_CLAIM = text("""
UPDATE fit_jobs AS j
   SET status = 'running', attempt = j.attempt + 1, worker = :worker, progress = 0,
       lease_until = clock_timestamp() + make_interval(secs => :lease_s),
       started_at = coalesce(j.started_at, clock_timestamp())
 WHERE j.id = CAST(:job_id AS uuid) AND (j.status = 'queued') IS TRUE AND j.available_at <= clock_timestamp()
   AND NOT EXISTS (SELECT 1 FROM fit_jobs o
                    WHERE o.series_id = j.series_id AND o.status IN ('queued', 'running') AND o.seq < j.seq OFFSET 0)
RETURNING j.attempt, j.series_id, j.detector, j.parameters, j.points, j.data_key, j.data_sha256, j.data_size,
          j.request_id
""")

# No row = cancelled or lost: stop. Its interval is how long a cancelled fit goes on.
_HEARTBEAT = text("""
UPDATE fit_jobs SET lease_until = clock_timestamp() + make_interval(secs => :lease_s),
                    progress = greatest(progress, :progress)
 WHERE id = CAST(:job_id AS uuid) AND attempt = :attempt AND (status = 'running') IS TRUE RETURNING 1
""")

# Infrastructure failed: back into the line, later and later. backoff_s 0 = the worker only shuts down.
_RELEASE = text("""
UPDATE fit_jobs SET status = 'queued', lease_until = NULL, worker = NULL, releases = releases + 1,
       available_at = clock_timestamp()
                    + make_interval(secs => :backoff_s * least(60, power(2, least(releases, 6))) * (0.5 + random())),
       announced_at = NULL, announcements = 0
 WHERE id = CAST(:job_id AS uuid) AND attempt = :attempt AND (status = 'running') IS TRUE RETURNING 1
""")

# Its process is gone, as the worker itself saw: the reconciler need not wait for the lease.
_ABANDON = text("""
UPDATE fit_jobs SET lease_until = clock_timestamp()
 WHERE id = CAST(:job_id AS uuid) AND worker = :worker AND (status = 'running') IS TRUE RETURNING 1
""")

# The data or the mathematics failed: final. The data stays for a retry.
_FAIL = text("""
UPDATE fit_jobs SET status = 'failed', error_code = :code, error_detail = left(:detail, 500), lease_until = NULL,
       finished_at = clock_timestamp()
 WHERE id = CAST(:job_id AS uuid) AND attempt = :attempt AND (status = 'running') IS TRUE RETURNING 1
""")

# announced_at is NULL while no message can be on its way. One that came too early, while a job before it is open, has
# done its duty: whoever ends that job sends another.
_MESSAGE_SPENT = text("""
UPDATE fit_jobs SET announced_at = NULL WHERE id = CAST(:job_id AS uuid) AND (status = 'queued') IS TRUE RETURNING 1
""")


def claim(session: Session, job_id: str, worker: str, lease_s: float) -> Claim | None:
    """Take the job, if it is due and first in line of its series."""
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
        data=Artifact(row.data_key, bytes(row.data_sha256), row.data_size),
        request_id=row.request_id,
    )


def heartbeat(session: Session, claimed: Claim, progress: float, lease_s: float) -> bool:
    """Renew the lease; False when the job is no longer this attempt's."""
    return _changed(session, _HEARTBEAT, claimed, progress=progress, lease_s=lease_s)


def release(session: Session, claimed: Claim, backoff_s: float) -> bool:
    """Put the job back into the line without counting a crash."""
    return _changed(session, _RELEASE, claimed, backoff_s=backoff_s)


def abandon(session: Session, job_id: str, worker: str) -> bool:
    """Let the lease of a job run out now, which counts as a crash; False when it is not this worker's."""
    return session.execute(_ABANDON, {"job_id": job_id, "worker": worker}).first() is not None


def fail(session: Session, claimed: Claim, code: str, detail: str) -> bool:
    """End the job for good; False when it is no longer this attempt's."""
    return _changed(session, _FAIL, claimed, code=code, detail=detail)


def message_spent(session: Session, job_id: str) -> bool:
    """Note that the job's message came before its turn; False when the job does not wait any more."""
    return session.execute(_MESSAGE_SPENT, {"job_id": job_id}).first() is not None


def _changed(session: Session, statement: Any, claimed: Claim, **parameters: object) -> bool:
    own = {"job_id": claimed.job_id, "attempt": claimed.attempt}
    return session.execute(statement, own | parameters).first() is not None
