"""Fits: one series, or many as lines of one request."""

import re
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.accepting import Accepted, accept, read
from api.answers import AcceptedJob, BulkResult, JobAnswer
from api.bodies import decode
from api.bulk import BulkAnswer
from api.dependencies import Content, RequestId, SeriesId, ServicesOf, answer
from api.openapi import operation
from api.requests import BulkLine, FitBody
from api.routes.jobs import LONGEST_WAIT_S, find_job
from api.services import Services

router = APIRouter(tags=["fits"])

_BODY = msgspec.json.Decoder(FitBody)
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?=$|[,;\s])")

IdempotencyKey = Annotated[
    str | None, Header(max_length=255, description="Repeating a request with its key gives the job of the first time")
]
Prefer = Annotated[str | None, Header(description="wait=N holds the answer until the job has ended, at most 30 s")]


@router.post("/fit/{series_id}", **operation(AcceptedJob, status=202, body=FitBody))
async def fit(
    services: ServicesOf,
    series_id: SeriesId,
    content: Content,
    request_id: RequestId,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Learn what is normal for a series. Accepted at once as a job; follow it at its Location."""
    accepted = await run_in_threadpool(_accept, services, series_id, content, request_id, idempotency_key)
    if wait_s := _preferred_wait(prefer):
        await services.watcher.wait(accepted.job_id, wait_s)
        job = await run_in_threadpool(find_job, services, accepted.job_id)
        if job.status.is_final:
            return answer(JobAnswer.of(job), 200, {"Location": f"/jobs/{job.job_id}", **_applied(wait_s)})
    body = AcceptedJob.of(accepted.job_id, series_id, accepted.status, accepted.points)
    return answer(body, 202, {"Location": body.links.self, "Retry-After": "1", **_applied(wait_s)})


@router.post("/fit", **operation(BulkResult, body=BulkLine, lines=True))
async def fit_many(services: ServicesOf, request_id: RequestId) -> Response:
    """Fit many series: one JSON object a line, with its series_id; one result a line, in their order."""
    return BulkAnswer(services, request_id)


def _accept(services: Services, series_id: str, content: bytes, request_id: str, key: str | None) -> Accepted:
    (outcome,) = accept(services, [read(series_id, decode(_BODY, content), services.settings, request_id, key)])
    if isinstance(outcome, Accepted):
        return outcome
    raise outcome


def _preferred_wait(prefer: str | None) -> int:
    match = _WAIT.search(prefer or "")
    return min(int(match[1]), LONGEST_WAIT_S) if match else 0


def _applied(wait_s: int) -> dict[str, str]:
    return {"Preference-Applied": f"wait={wait_s}"} if wait_s else {}
