"""Fit jobs: list, follow, cancel and retry them."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import WithJsonSchema
from starlette.responses import Response

from api.dependencies import (
    CallerOf,
    Cursor,
    Limit,
    Prefix,
    RequestId,
    ServicesOf,
    StillAllowed,
    answer,
    answer_accepted,
)
from api.following import events
from api.following.polling import MAX_WAIT_S
from api.openapi import operation
from api.routes.cursors import job_cursor, place_of, split_page
from api.routes.finding import JobId, find_job
from api.schemas.jobs import AcceptedJob, JobAnswer, JobPage
from api.schemas.parameters import MOMENT_SCHEMA, SERIES_ID_SCHEMA
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.jobs import Job, Status
from shared.domain.series import check_series_id
from shared.errors import Code, InputError, TsadError
from shared.fitting.accepting import Accepted
from shared.fitting.announcing import announce_next
from shared.fitting.checking import Origin
from shared.fitting.repeating import retry as accept_retry
from shared.store import jobs
from shared.store.jobs import JobFilter

router = APIRouter(tags=["jobs"])

FIRST_OF_STREAM = 50  # snapshots at the start of a stream of many jobs


def _selection(
    caller: CallerOf,
    series_id: Annotated[
        str | None, Query(description="Only jobs of this series"), WithJsonSchema(SERIES_ID_SCHEMA)
    ] = None,
    status: Annotated[Status | None, Query(description="Only jobs with this status")] = None,
) -> JobFilter:
    return JobFilter(
        None if series_id is None else check_series_id(series_id), status, visible_prefix=caller.series_prefix
    )


Selection = Annotated[JobFilter, Depends(_selection)]
Moment = Annotated[
    datetime | None,
    Query(description="Time, as in 2026-01-31T12:00:00Z, or seconds since 1970"),
    WithJsonSchema(MOMENT_SCHEMA),
]


@router.get("/jobs", **operation(JobPage, scope=Scope.READ))
def list_jobs(
    services: ServicesOf,
    prefix: Prefix,
    selection: Selection,
    created_after: Moment = None,
    created_before: Moment = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List jobs, newest first."""
    dated_selection = replace(selection, created_after=_in_utc(created_after), created_before=_in_utc(created_before))
    older_than = place_of(cursor)
    with services.sessions.begin() as session:
        rows = jobs.page(session, dated_selection, older_than, limit + 1)
    page, last = split_page(rows, limit)
    next_cursor = job_cursor(last[1]) if last else None
    return answer(JobPage([JobAnswer.of(job, prefix) for job, _ in page], next_cursor))


@router.get("/jobs/events", **operation("text/event-stream", scope=Scope.READ))
async def stream_jobs(
    services: ServicesOf, caller: CallerOf, is_allowed: StillAllowed, prefix: Prefix, selection: Selection
) -> Response:
    """Stream server-sent events: the newest jobs, then a snapshot of each job that changes."""
    stream = services.poller.stream(selection, key_id=caller.key_id)
    current = await services.lanes.requests(_newest, services, selection)
    return events.respond(stream, current, is_allowed, partial(_event, prefix))


@router.get("/jobs/{job_id}", **operation(JobAnswer, scope=Scope.READ))
async def get_job(
    services: ServicesOf,
    caller: CallerOf,
    prefix: Prefix,
    job_id: JobId,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S, description="Maximum wait for the job to end, in seconds")] = 0,
) -> Response:
    """Return a fit job. With `wait`, respond when the job has ended or that many seconds have passed."""
    job = await services.lanes.requests(find_job, services, caller, job_id)
    if wait and not job.status.is_final:
        await services.poller.wait(job_id, wait, caller.key_id)
        job = await services.lanes.requests(find_job, services, caller, job_id)
    return answer(JobAnswer.of(job, prefix))


@router.get("/jobs/{job_id}/events", **operation("text/event-stream", scope=Scope.READ))
async def stream_job(
    services: ServicesOf, caller: CallerOf, is_allowed: StillAllowed, prefix: Prefix, job_id: JobId
) -> Response:
    """Stream server-sent events: a snapshot of the job now and at each change, until it has ended."""
    stream = services.poller.stream(JobFilter(), job_id, caller.key_id)
    current = await services.lanes.requests(find_job, services, caller, job_id)
    return events.respond(stream, [current], is_allowed, partial(_event, prefix))


@router.post("/jobs/{job_id}/cancel", **operation(JobAnswer, scope=Scope.FIT))
def cancel_job(services: ServicesOf, caller: CallerOf, prefix: Prefix, job_id: JobId) -> Response:
    """Cancel a job. A job with status `cancelled` never publishes a version. Canceling again changes nothing."""
    find_job(services, caller, job_id)
    with services.sessions.begin() as session:
        series_id = jobs.cancel(session, job_id)
    if series_id:
        announce_next(services.sessions, services.announcer.announce, series_id)
    job = find_job(services, caller, job_id)
    if job.status is not Status.CANCELLED:
        raise TsadError(Code.JOB_FINISHED, f"The job has already {job.status} and can no longer be canceled.")
    return answer(JobAnswer.of(job, prefix))


@router.post("/jobs/{job_id}/retry", **operation(AcceptedJob, scope=Scope.FIT, status=202))
async def retry_job(
    services: ServicesOf, caller: CallerOf, prefix: Prefix, job_id: JobId, request_id: RequestId
) -> Response:
    """Retry a failed or canceled job as a new job with the same data. While that job is open, retrying returns it."""
    accepted = await services.lanes.accepting(_retried, services, caller, job_id, request_id)
    return answer_accepted(accepted, prefix)


def _retried(services: Services, caller: Caller, job_id: str, request_id: str) -> Accepted:
    job = find_job(services, caller, job_id)
    accepted = accept_retry(services.acceptor, job, Origin(request_id, caller.key_id))
    services.metrics.retries.inc(accepted.is_new)
    return accepted


def _newest(services: Services, selection: JobFilter) -> list[Job]:
    """Return the newest jobs of the selection, oldest first."""
    with services.sessions.begin() as session:
        return [job for job, _ in reversed(jobs.page(session, selection, None, FIRST_OF_STREAM))]


def _event(prefix: str, job: Job) -> bytes:
    return events.event("job", job.revision, msgspec.json.encode(JobAnswer.of(job, prefix)))


def _in_utc(moment: datetime | None) -> datetime | None:
    """Convert to UTC, because PostgreSQL accepts fewer offsets than Python. A time without offset is in UTC."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InputError(
            Code.INVALID_REQUEST, "created_after and created_before must be in the years 1 to 9999."
        ) from None
