"""Fit jobs: find, list, watch for changes, cancel."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text

from shared.domain.jobs import Job, Status
from shared.store.artifact_columns import take_artifact
from shared.store.engine import Session

# The queue position comes from a sorted array, built at most once per statement and only if a queued job is shown:
# counting the jobs ahead for each job would be slow in a long queue.
_JOBS = """
SELECT CAST(j.id AS text) AS job_id, j.series_id, j.status, j.progress, j.detector, j.parameters, j.points, j.version,
       j.attempt AS attempts, j.worker, CAST(j.retry_of AS text) AS retry_of, j.error_code, j.error_detail,
       j.created_at, j.started_at, j.finished_at, j.data_key, j.data_sha256, j.data_size,
       j.revision, j.seq,
       CASE WHEN j.status = 'queued' THEN width_bucket(j.seq, (
         SELECT array_agg(q.seq ORDER BY q.seq) FROM fit_jobs q
          WHERE q.status IN ('queued', 'running') AND q.status = 'queued')) - 1 END AS queue_position
  FROM fit_jobs j
"""
_BY_ID = text(_JOBS + " WHERE j.id = ANY (CAST(:job_ids AS uuid[]))")
_LAST_OF_SERIES = text(_JOBS + " WHERE j.series_id = :series_id ORDER BY j.created_at DESC, j.seq DESC LIMIT 1")
_ANY_HOLDS_DATA = text("SELECT 1 FROM fit_jobs WHERE series_id = :series_id AND data_key IS NOT NULL LIMIT 1")
_NEWEST_FIRST = " ORDER BY j.created_at DESC, j.seq DESC LIMIT :limit"
_CONDITIONS = {
    "series_id": "j.series_id = :series_id",
    "status": "j.status = :status",
    "created_after": "j.created_at > :created_after",
    "created_before": "j.created_at < :created_before",
    "visible_prefix": "j.series_id >= :visible_prefix AND j.series_id < :visible_prefix || '~'",
    "older_than": "(j.created_at, j.seq) < (:moment, :seq)",
}

_REVISIONS = text("""
SELECT CAST(id AS text) AS job_id, revision, status
  FROM fit_jobs WHERE id = ANY (CAST(:job_ids AS uuid[]))
""")
# All jobs that may have changed recently, through existing indexes. This misses a running job that was requeued; the
# caller looks it up by id.
_RECENT_REVISIONS = text("""
SELECT CAST(id AS text) AS job_id, revision, status
  FROM fit_jobs
 WHERE status = 'running' OR created_at > statement_timestamp() - make_interval(secs => :seconds)
    OR finished_at > statement_timestamp() - make_interval(secs => :seconds)
""")

# The status is final at once, even for a running job: the worker's next heartbeat finds no row, and the fence prevents
# its publication. No row: the job had already finished, so read it. Then announce next_of_series.
_CANCEL = text("""
UPDATE fit_jobs SET status = 'cancelled', lease_until = NULL, finished_at = clock_timestamp()
 WHERE id = CAST(:job_id AS uuid) AND (status IN ('queued', 'running')) IS TRUE RETURNING series_id
""")

# After every final status, in a separate transaction: send this job's message. No row: no job is queued, or its message
# is in flight. An older message may have been lost with all of Redis, so it is sent again: if each job of a series had
# to wait for the reconciler, the series would take forever.
_NEXT_OF_SERIES = text("""
UPDATE fit_jobs SET announced_at = clock_timestamp()
 WHERE id = (SELECT id FROM fit_jobs
              WHERE series_id = :series_id AND status IN ('queued', 'running') AND (status = 'queued') IS TRUE
              ORDER BY seq LIMIT 1)
   AND (status = 'queued') IS TRUE AND (announced_at IS NULL OR announced_at < clock_timestamp() - interval '10 s')
RETURNING CAST(id AS text)
""")


class Place(NamedTuple):
    """The last job of a page, from which the next page continues."""

    moment: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Filter for the jobs of a page or a stream; None matches every job."""

    series_id: str | None = None
    status: Status | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    visible_prefix: str = ""  # prefix of the series ids that the caller may see

    def includes(self, job: Job) -> bool:
        """Check whether a changed job belongs to a stream with this filter."""
        visible = job.series_id.startswith(self.visible_prefix)
        return visible and self.series_id in (None, job.series_id) and self.status in (None, job.status)


class Revision(NamedTuple):
    """The number of changes of a job's row, and its status."""

    number: int
    status: Status


def find(session: Session, job_ids: Collection[str]) -> dict[str, Job]:
    """Return the existing jobs, by id."""
    rows = session.execute(_BY_ID, {"job_ids": list(job_ids)})
    return {row.job_id: _job(row) for row in rows}


def last_of_series(session: Session, series_id: str) -> Job | None:
    """Return the most recently accepted job of the series; None if it has none."""
    row = session.execute(_LAST_OF_SERIES, {"series_id": series_id}).first()
    return _job(row) if row else None


def page(session: Session, job_filter: JobFilter, older_than: Place | None, limit: int) -> list[tuple[Job, Place]]:
    """Return jobs, newest first, each with the place where the next page continues."""
    parameters: dict[str, Any] = {
        "series_id": job_filter.series_id,
        "status": job_filter.status,
        "created_after": job_filter.created_after,
        "created_before": job_filter.created_before,
        "visible_prefix": job_filter.visible_prefix or None,
        "older_than": older_than,
    }
    conditions = [_CONDITIONS[name] for name, value in parameters.items() if value is not None]
    statement = _JOBS + (" WHERE " + " AND ".join(conditions) if conditions else "") + _NEWEST_FIRST
    moment, seq = older_than or (None, None)
    rows = session.execute(text(statement), parameters | {"moment": moment, "seq": seq, "limit": limit})
    return [(_job(row), Place(row.created_at, row.seq)) for row in rows]


def counts(session: Session, job_filter: JobFilter, at_most: int) -> dict[Status, int]:
    """Count the jobs of each status, up to `at_most`; the status of the filter does not matter."""
    parameters = {"series_id": job_filter.series_id, "visible_prefix": job_filter.visible_prefix or None}
    conditions = [_CONDITIONS[name] for name, value in parameters.items() if value is not None]
    statement = text(
        "SELECT status, (SELECT count(*) FROM (SELECT 1 FROM fit_jobs j WHERE "
        + " AND ".join(["j.status = s.status", *conditions])
        + " LIMIT :at_most) AS counted) AS jobs FROM unnest(CAST(:statuses AS text[])) AS s (status)"
    )
    rows = session.execute(statement, parameters | {"at_most": at_most, "statuses": list(Status)})
    return {Status(row.status): row.jobs for row in rows}


def revisions(session: Session, job_ids: Collection[str]) -> dict[str, Revision]:
    """Return the revisions of the existing jobs, by id."""
    rows = session.execute(_REVISIONS, {"job_ids": list(job_ids)})
    return {row.job_id: Revision(row.revision, Status(row.status)) for row in rows}


def recent_revisions(session: Session, seconds: float) -> dict[str, Revision]:
    """Return the revisions of all jobs that run, or were accepted or ended within the last `seconds`, by id."""
    rows = session.execute(_RECENT_REVISIONS, {"seconds": seconds})
    return {row.job_id: Revision(row.revision, Status(row.status)) for row in rows}


def cancel(session: Session, job_id: str) -> str | None:
    """Cancel an open job, which cannot publish after COMMIT. Return its series id; None if no such job is open."""
    return session.execute(_CANCEL, {"job_id": job_id}).scalar()


def any_holds_data(session: Session, series_id: str) -> bool:
    """Return whether a job of the series still holds data for its fit or a retry."""
    return session.execute(_ANY_HOLDS_DATA, {"series_id": series_id}).first() is not None


def next_of_series(session: Session, series_id: str) -> str | None:
    """Return the id of the first open job of the series if it needs a message, and mark it as announced; else None."""
    return session.execute(_NEXT_OF_SERIES, {"series_id": series_id}).scalar()


def _job(row: Row[Any]) -> Job:
    columns = row._asdict()
    del columns["seq"]
    columns |= {"status": Status(columns["status"]), "data": take_artifact(columns, "data")}
    return Job(**columns)
