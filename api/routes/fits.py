"""Fit jobs: accept one, follow it."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.accepting import accept
from api.answers import AcceptedJob, JobAnswer, job_links
from api.dependencies import Content, RequestId, SeriesId, ServicesOf, answer, job_not_found
from api.openapi import operation
from api.requests import FitBody
from api.services import Services
from shared.domain.jobs import Job, Status
from shared.store import jobs

router = APIRouter(tags=["fits"])

LONGEST_WAIT_S = 30


@router.post("/fit/{series_id}", **operation(AcceptedJob, status=202, body=FitBody))
def fit(services: ServicesOf, series_id: SeriesId, content: Content, request_id: RequestId) -> Response:
    """Learn what is normal for a series. Accepted at once as a job; follow it at its Location."""
    job = accept(services, series_id, content, request_id)
    accepted = AcceptedJob(
        job_id=job.job_id,
        series_id=series_id,
        status=Status.QUEUED,
        points_used=job.points,
        links=job_links(job.job_id, series_id, None),
    )
    return answer(accepted, 202, {"Location": accepted.links.self, "Retry-After": "1"})


@router.get("/jobs/{job_id}", **operation(JobAnswer))
async def job(
    services: ServicesOf,
    job_id: str,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for the job to end")] = 0,
) -> Response:
    """Where a fit job is. With `wait`, the answer is held until the job has ended or the time is over."""
    own_id = _checked(job_id)
    found = await asyncio.to_thread(_find, services, own_id)
    if wait and not found.status.is_final:
        await services.watcher.wait(own_id, wait)
        found = await asyncio.to_thread(_find, services, own_id)
    return answer(JobAnswer.of(found))


def _find(services: Services, job_id: str) -> Job:
    with services.sessions.begin() as session:
        found = jobs.find(session, [job_id]).get(job_id)
    if found is None:
        raise job_not_found()
    return found


def _checked(job_id: str) -> str:
    try:
        return str(UUID(job_id))
    except ValueError:
        raise job_not_found() from None
