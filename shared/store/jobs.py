"""Fit jobs: accept, and what the worker does with them.

Everything assumes READ COMMITTED. Rows are locked in the order fit_jobs, series, versions. Times are the database's.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from shared.domain.jobs import Claim, NewJob, Status
from shared.store.engine import Session

# --- accept: admission -> write the data artifact -> accept -> COMMIT -> message -> 202 ------------------------------

# asked_at starts the accept window of one job id. Whoever asks again takes a new id, and so a new artifact.
_ADMISSION = text("""
SELECT clock_timestamp() AS asked_at, count(*) AS open_jobs, coalesce(sum(data_size), 0) AS open_bytes
  FROM (SELECT data_size FROM fit_jobs WHERE status IN ('queued', 'running') LIMIT :limit) AS open_jobs
""")

_OPEN_OF_KEYS = text("""
SELECT api_key_id, count(*) AS open_jobs FROM fit_jobs
 WHERE status IN ('queued', 'running') AND api_key_id = ANY (CAST(:api_key_ids AS text[])) GROUP BY api_key_id
""")

_FINISHED_LATELY = text("""
SELECT count(*) FROM fit_jobs WHERE finished_at > statement_timestamp() - make_interval(secs => :seconds)
""")

# The lock makes seq follow the order of COMMIT within a series, and shows the collector that an accept is in flight.
# asked_at + window is the API's deadline, judged on the clock that the collector uses too: an API that slept past it
# is refused, so its artifact may be collected. Several jobs lock in the order of hashtext(series_id), or two such
# transactions could deadlock; the clock is read after the locks (a bare clock_timestamp() in the outer WHERE would be
# evaluated before them).
_ACCEPT = text("""
WITH asked AS (
  SELECT * FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS job (
    place integer, id uuid, series_id text, detector text, parameters jsonb, points integer, data_key text,
    data_sha256 text, data_size bigint, api_key_id text, idempotency_key text, request_sha256 text, request_id text,
    asked_at timestamptz)
), turn AS MATERIALIZED (
  SELECT line.*, pg_advisory_xact_lock(8243, hashtext(series_id)), clock_timestamp() AS began
    FROM (SELECT * FROM asked ORDER BY hashtext(series_id), place) AS line
)
INSERT INTO fit_jobs (id, series_id, detector, parameters, points, data_key, data_sha256, data_size,
                      api_key_id, idempotency_key, request_sha256, request_id)
SELECT id, series_id, detector, parameters, points, data_key, decode(data_sha256, 'hex'), data_size,
       api_key_id, idempotency_key, decode(request_sha256, 'hex'), request_id
  FROM turn WHERE began < asked_at + make_interval(secs => :window_s)
 ORDER BY hashtext(series_id), place
ON CONFLICT DO NOTHING
RETURNING CAST(id AS text)
""")
ACCEPT_AT_MOST = 500  # jobs in one transaction: each holds a lock until COMMIT

# When accept did not return a job: mine = an earlier try of this very INSERT was committed; another id = the
# idempotency key was used before; no row = too late.
_ACCEPTED_AS = text("""
SELECT CAST(id AS text) AS job_id, id = CAST(:job_id AS uuid) AS mine, request_sha256, status FROM fit_jobs
 WHERE id = CAST(:job_id AS uuid) OR (api_key_id = :api_key_id AND idempotency_key = :idempotency_key)
""")
_ACCEPTED_BY_KEY = text("""
SELECT api_key_id, idempotency_key, CAST(id AS text) AS job_id, request_sha256, status FROM fit_jobs
 WHERE (api_key_id, idempotency_key) IN (
   SELECT * FROM unnest(CAST(:api_key_ids AS text[]), CAST(:keys AS text[])))
""")

# --- the worker -----------------------------------------------------------------------------------------------------

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

# After every final status, in a transaction of its own: send this job's message. No row = none waits, or one whose
# message is on its way. One sent longer ago may be lost, with all of Redis: a series whose jobs each waited for the
# reconciler would take for ever.
_NEXT_OF_SERIES = text("""
UPDATE fit_jobs SET announced_at = clock_timestamp()
 WHERE id = (SELECT id FROM fit_jobs
              WHERE series_id = :series_id AND status IN ('queued', 'running') AND (status = 'queued') IS TRUE
              ORDER BY seq LIMIT 1)
   AND (status = 'queued') IS TRUE AND (announced_at IS NULL OR announced_at < clock_timestamp() - interval '10 s')
RETURNING CAST(id AS text)
""")


@dataclass(frozen=True, slots=True)
class Admission:
    """How full the queue is, and since when an accept may follow."""

    asked_at: datetime
    open_jobs: int
    open_bytes: int


@dataclass(frozen=True, slots=True)
class AcceptedAs:
    """The job that stands where one was to be inserted."""

    job_id: str
    mine: bool  # the very job of this request, not one that its idempotency key stands for
    request_sha256: bytes  # of that job's series, detector, parameters and data
    status: Status


def admission(session: Session, count_at_most: int) -> Admission:
    """Count open jobs, up to `count_at_most`, and their bytes."""
    row = session.execute(_ADMISSION, {"limit": count_at_most}).one()
    return Admission(row.asked_at, row.open_jobs, int(row.open_bytes))


def open_of_keys(session: Session, api_key_ids: Collection[str]) -> dict[str, int]:
    """How many open jobs each key has; nothing for one that has none."""
    rows = session.execute(_OPEN_OF_KEYS, {"api_key_ids": list(api_key_ids)})
    return {row.api_key_id: row.open_jobs for row in rows}


def finished_lately(session: Session, seconds: float) -> int:
    """How many jobs got a final status in the last seconds."""
    return int(session.execute(_FINISHED_LATELY, {"seconds": seconds}).scalar_one())


def accept(session: Session, jobs: Sequence[NewJob], window_s: float) -> set[str]:
    """Insert at most `ACCEPT_AT_MOST` jobs; return the ids inserted. For the others see `accepted_as`."""
    rows = [
        {
            "place": place,
            "id": job.job_id,
            "series_id": job.series_id,
            "detector": job.detector,
            "parameters": job.parameters,
            "points": job.points,
            "data_key": job.data_key,
            "data_sha256": job.data_sha256.hex(),
            "data_size": job.data_size,
            "api_key_id": job.api_key_id,
            "idempotency_key": job.idempotency_key,
            "request_sha256": job.request_sha256.hex(),
            "request_id": job.request_id,
            "asked_at": job.asked_at.isoformat(),
        }
        for place, job in enumerate(jobs)
    ]
    return set(session.execute(_ACCEPT, {"jobs": json.dumps(rows), "window_s": window_s}).scalars())


def accepted_as(session: Session, job: NewJob) -> AcceptedAs | None:
    """Which job an insert ran into; None when it came too late."""
    own = {"job_id": job.job_id, "api_key_id": job.api_key_id, "idempotency_key": job.idempotency_key}
    row = session.execute(_ACCEPTED_AS, own).first()
    return AcceptedAs(row.job_id, row.mine, bytes(row.request_sha256), Status(row.status)) if row else None


def accepted_by_key(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str | None], AcceptedAs]:
    """The jobs that idempotency keys, each in the scope of an API key, stand for already."""
    api_key_ids, idempotency_keys = zip(*keys, strict=True)
    rows = session.execute(_ACCEPTED_BY_KEY, {"api_key_ids": list(api_key_ids), "keys": list(idempotency_keys)})
    return {
        (row.api_key_id, row.idempotency_key): AcceptedAs(
            row.job_id, mine=False, request_sha256=bytes(row.request_sha256), status=Status(row.status)
        )
        for row in rows
    }


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
        data_key=row.data_key,
        data_sha256=bytes(row.data_sha256),
        data_size=row.data_size,
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


def next_of_series(session: Session, series_id: str) -> str | None:
    """The job that a final status of another one lets through, if its message has to be sent."""
    return session.execute(_NEXT_OF_SERIES, {"series_id": series_id}).scalar()


def _changed(session: Session, statement: Any, claimed: Claim, **parameters: object) -> bool:
    own = {"job_id": claimed.job_id, "attempt": claimed.attempt}
    return session.execute(statement, own | parameters).first() is not None
