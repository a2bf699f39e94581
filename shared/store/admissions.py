"""Admissions: check for room in the queue, and insert fits as jobs.

All statements assume READ COMMITTED. Rows are locked in the order fit_jobs, series, versions. All times come from the
database's clock.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from shared.domain.jobs import NewJob, Status
from shared.store.engine import Session
from shared.store.locks import lock_series

# --- accept: admission -> write the data artifact -> accept -> COMMIT -> message -> 202 ------------------------------

# The accept window of one job id starts at admitted_at. Another admission uses a new id, and therefore a new artifact.
_ADMISSION = text("""
SELECT clock_timestamp() AS admitted_at, count(*) AS open_jobs, coalesce(sum(data_size), 0) AS open_bytes
  FROM (SELECT data_size FROM fit_jobs WHERE status IN ('queued', 'running') LIMIT :limit) AS open_jobs
""")

_OPEN_OF_KEYS = text("""
SELECT api_key_id, count(*) AS open_jobs FROM fit_jobs
 WHERE status IN ('queued', 'running') AND api_key_id = ANY (CAST(:api_key_ids AS text[])) GROUP BY api_key_id
""")

_RECENTLY_FINISHED = text("""
SELECT count(*) FROM fit_jobs WHERE finished_at > statement_timestamp() - make_interval(secs => :seconds)
""")

# The lock makes seq follow the order of COMMIT within a series, and shows the collector that an accept is in flight.
# admitted_at + window is the deadline for new data in the store, by the clock that the collector uses too: if a process
# sleeps past it, its insert is rejected, so its artifact may be collected. The row of a version or an ended job owns
# its data: FOR KEY SHARE and FOR SHARE protect that row, and its reference to the data, until the new job commits.
# The lock of the series comes first, so a deletion of the series either cancels this job or is visible to it, and the
# two never wait for each other. Several jobs lock in the order of hashtext(series_id), because otherwise two such
# transactions could deadlock. The clock is read after the locks: a bare clock_timestamp() in the outer WHERE would be
# evaluated before them. A conflict is an earlier attempt of the same INSERT, an idempotency key that was used before,
# or an open retry of the same job: see existing_job.
_ACCEPT = text(f"""
WITH requested AS (
  SELECT * FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS job (
    ordinal integer, id uuid, series_id text, detector text, parameters jsonb, points integer, data_key text,
    data_sha256 text, data_size bigint, api_key_id text, idempotency_key text, request_sha256 text, request_id text,
    admitted_at timestamptz, of_version integer, retry_of uuid)
), locked AS MATERIALIZED (
  SELECT line.*, {lock_series("series_id")}, clock_timestamp() AS locked_at
    FROM (SELECT * FROM requested ORDER BY hashtext(series_id), ordinal) AS line
)
INSERT INTO fit_jobs (id, series_id, detector, parameters, points, data_key, data_sha256, data_size,
                      api_key_id, idempotency_key, request_sha256, request_id, retry_of)
SELECT id, series_id, detector, parameters, points, data_key, decode(data_sha256, 'hex'), data_size,
       api_key_id, idempotency_key, decode(request_sha256, 'hex'), request_id, retry_of
  FROM locked
 WHERE CASE
         WHEN of_version IS NOT NULL THEN EXISTS (
           SELECT 1 FROM versions v
            WHERE v.series_id = locked.series_id AND v.version = locked.of_version AND v.data_key = locked.data_key
              FOR KEY SHARE)
         WHEN retry_of IS NOT NULL THEN EXISTS (
           SELECT 1 FROM fit_jobs f
            WHERE f.id = locked.retry_of AND f.status IN ('failed', 'cancelled') AND f.data_key = locked.data_key
              FOR SHARE)
         ELSE locked_at < admitted_at + make_interval(secs => :window_s)
       END
 ORDER BY hashtext(series_id), ordinal
ON CONFLICT DO NOTHING
RETURNING CAST(id AS text)
""")
MAX_JOBS_PER_ACCEPT = 500  # jobs per transaction: each holds a lock until COMMIT

# For a job that accept did not return. same_id: an earlier attempt of the same INSERT was committed. Otherwise, the
# idempotency key was used before, or another retry of the same job is open. No row: too late, or the data was deleted.
_EXISTING_JOB = text("""
SELECT CAST(id AS text) AS job_id, id = CAST(:job_id AS uuid) AS same_id, request_sha256, status FROM fit_jobs
 WHERE id = CAST(:job_id AS uuid) OR (api_key_id = :api_key_id AND idempotency_key = :idempotency_key)
    OR (retry_of = CAST(:retry_of AS uuid) AND status IN ('queued', 'running'))
""")
_EXISTING_BY_KEY = text("""
SELECT api_key_id, idempotency_key, CAST(id AS text) AS job_id, request_sha256, status FROM fit_jobs
 WHERE (api_key_id, idempotency_key) IN (
   SELECT * FROM unnest(CAST(:api_key_ids AS text[]), CAST(:keys AS text[])))
""")

_OPEN_RETRY = text("""
SELECT CAST(id AS text) AS job_id, status FROM fit_jobs
 WHERE retry_of = CAST(:job_id AS uuid) AND status IN ('queued', 'running')
""")


@dataclass(frozen=True, slots=True)
class Admission:
    """State of the queue, and the start of the accept window."""

    admitted_at: datetime
    open_jobs: int
    open_bytes: int


@dataclass(frozen=True, slots=True)
class ExistingJob:
    """The existing job that prevented an insert."""

    job_id: str
    same_id: bool  # whether an earlier attempt of the same INSERT stored it
    request_sha256: bytes | None  # of series, detector, parameters and data; None for retries by old releases
    status: Status


class OpenRetry(NamedTuple):
    """An open job that retries an ended one."""

    job_id: str
    status: Status


def admission(session: Session, max_count: int) -> Admission:
    """Return the database's clock, the number of open jobs (at most `max_count`) and their bytes."""
    row = session.execute(_ADMISSION, {"limit": max_count}).one()
    return Admission(row.admitted_at, row.open_jobs, int(row.open_bytes))


def open_of_keys(session: Session, api_key_ids: Collection[str]) -> dict[str, int]:
    """Return the number of open jobs by key, without keys that have none."""
    rows = session.execute(_OPEN_OF_KEYS, {"api_key_ids": list(api_key_ids)})
    return {row.api_key_id: row.open_jobs for row in rows}


def recently_finished(session: Session, seconds: float) -> int:
    """Return the number of jobs that reached a final status within the last `seconds`."""
    return int(session.execute(_RECENTLY_FINISHED, {"seconds": seconds}).scalar_one())


def accept(session: Session, jobs: Sequence[NewJob], window_s: float) -> set[str]:
    """Insert at most `MAX_JOBS_PER_ACCEPT` jobs; return the inserted ids. `existing_job` explains the others."""
    rows = [
        {
            "ordinal": ordinal,
            "id": job.job_id,
            "series_id": job.series_id,
            "detector": job.detector,
            "parameters": job.parameters,
            "points": job.points,
            "data_key": job.data.key,
            "data_sha256": job.data.sha256.hex(),
            "data_size": job.data.size,
            "api_key_id": job.api_key_id,
            "idempotency_key": job.idempotency_key,
            "request_sha256": job.request_sha256.hex(),
            "request_id": job.request_id,
            "admitted_at": job.admitted_at.isoformat(),
            "of_version": job.of_version,
            "retry_of": job.retry_of,
        }
        for ordinal, job in enumerate(jobs)
    ]
    return set(session.execute(_ACCEPT, {"jobs": json.dumps(rows), "window_s": window_s}).scalars())


def existing_job(session: Session, job: NewJob) -> ExistingJob | None:
    """Find the job that prevented an insert; None if the insert was too late or the data to fit again was deleted."""
    parameters = {
        "job_id": job.job_id,
        "api_key_id": job.api_key_id,
        "idempotency_key": job.idempotency_key,
        "retry_of": job.retry_of,
    }
    row = session.execute(_EXISTING_JOB, parameters).first()
    if row is None:
        return None
    digest = None if row.request_sha256 is None else bytes(row.request_sha256)
    return ExistingJob(row.job_id, row.same_id, digest, Status(row.status))


def existing_by_key(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str | None], ExistingJob]:
    """Find the jobs of idempotency keys that were used before. keys: pairs of API key id and idempotency key."""
    api_key_ids, idempotency_keys = zip(*keys, strict=True)
    rows = session.execute(_EXISTING_BY_KEY, {"api_key_ids": list(api_key_ids), "keys": list(idempotency_keys)})
    return {
        (row.api_key_id, row.idempotency_key): ExistingJob(
            row.job_id, same_id=False, request_sha256=bytes(row.request_sha256), status=Status(row.status)
        )
        for row in rows
    }


def open_retry(session: Session, job_id: str) -> OpenRetry | None:
    """Find the queued or running job that retries this one."""
    row = session.execute(_OPEN_RETRY, {"job_id": job_id}).first()
    return OpenRetry(row.job_id, Status(row.status)) if row else None
