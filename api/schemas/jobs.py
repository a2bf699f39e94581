"""Bodies of responses about jobs."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from api.schemas.parameters import JOB_ID_SCHEMA
from api.schemas.problems import Problem
from shared.domain import jobs
from shared.fitting.accepting import Accepted

Fraction = Annotated[float, Meta(ge=0, le=1)]
Moment = Annotated[datetime, Meta(tz=True)]
JobId = Annotated[str, Meta(extra_json_schema=JOB_ID_SCHEMA)]


def one_of(*values: str) -> Meta:
    """Return the constraint of a string that is one of these values. Only the OpenAPI document states it."""
    return Meta(extra_json_schema={"enum": list(values)})


class JobLinks(Struct, omit_defaults=True):
    """Links of a job; only those valid in its current state are present."""

    self: str
    series: str
    events: str | None = None
    cancel: str | None = None
    retry: str | None = None
    version: str | None = None
    plot: str | None = None

    @classmethod
    def of(cls, job: jobs.Job, prefix: str) -> "JobLinks":
        """Return only the links that are valid in the job's current state, below a proxy's prefix."""
        path = f"{prefix}/jobs/{job.job_id}"
        links = cls(self=path, series=f"{prefix}/series/{job.series_id}")
        if not job.status.is_final:
            links.events, links.cancel = f"{path}/events", f"{path}/cancel"
        elif job.holds_data:
            links.retry = f"{path}/retry"
        if job.version is not None:
            links.version = f"{links.series}/versions/{job.version}"
            links.plot = f"{prefix}/plot?series_id={job.series_id}&version={job.version}"
        return links


class AcceptedJob(Struct):
    """An accepted fit."""

    job_id: JobId
    series_id: str
    status: jobs.Status
    points_used: int
    links: JobLinks

    @classmethod
    def of(cls, accepted: Accepted, prefix: str) -> "AcceptedJob":
        """Convert an accepted fit, with the links to follow or cancel its job, below a proxy's prefix."""
        path = f"{prefix}/jobs/{accepted.job_id}"
        series = f"{prefix}/series/{accepted.series_id}"
        links = JobLinks(self=path, series=series, events=f"{path}/events", cancel=f"{path}/cancel")
        return cls(accepted.job_id, accepted.series_id, accepted.status, accepted.points, links)


class BulkResult(Struct, omit_defaults=True):
    """The result of one line: a job, or the problem in its place."""

    line: int
    series_id: str | None = None
    job_id: JobId | None = None
    status: jobs.Status | None = None
    unchanged: bool = False
    problem: Problem | None = None


class JobPage(Struct):
    """Jobs, newest first; `next_cursor` is the cursor of the next page."""

    jobs: list["JobAnswer"]
    next_cursor: str | None


class JobError(Struct):
    """Why a job failed."""

    code: str
    detail: str
    retryable: bool


class JobAnswer(Struct):
    """A fit job."""

    job_id: JobId
    series_id: str
    status: jobs.Status
    progress: Fraction
    detector: str
    parameters: dict[str, Any]
    points_used: int
    version: str | None
    attempts: int
    worker: str | None
    retry_of: JobId | None
    error: JobError | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    queue_position: int | None
    links: JobLinks

    @classmethod
    def of(cls, job: jobs.Job, prefix: str) -> "JobAnswer":
        """Convert a job, with links below a proxy's prefix; `error` is None unless the job failed."""
        error = None
        if job.error_code is not None:
            error = JobError(job.error_code, job.error_detail or "", job.error_code in jobs.RETRYABLE)
        return cls(
            job_id=job.job_id,
            series_id=job.series_id,
            status=job.status,
            progress=job.progress,
            detector=job.detector,
            parameters=job.parameters,
            points_used=job.points,
            version=None if job.version is None else str(job.version),
            attempts=job.attempts,
            worker=job.worker,
            retry_of=job.retry_of,
            error=error,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            queue_position=job.queue_position,
            links=JobLinks.of(job, prefix),
        )
