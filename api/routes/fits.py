"""Fit one series, many series as lines of one request, or a version's points again."""

import re
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.chain.authentication import caller_of
from api.chain.bodies import read as read_content
from api.computing.content import Content as BodyContent
from api.dependencies import (
    CallerOf,
    Content,
    Prefix,
    RequestId,
    SeriesId,
    ServicesOf,
    VersionNumber,
    answer,
    answer_accepted,
    visible,
)
from api.fitting.bulk import BulkAnswer
from api.fitting.decoding import READ_S_PER_BYTE, method_of, read_body, read_fit
from api.following.polling import MAX_WAIT_S
from api.matching import prefix_of
from api.openapi import operation
from api.problems import request_id_of
from api.routes.finding import find_job, find_version
from api.schemas.decoding import decode
from api.schemas.jobs import AcceptedJob, BulkResult, JobAnswer
from api.schemas.parameters import IDEMPOTENCY_KEY, PREFER, SERIES_ID
from api.schemas.requests import BulkLine, FitBody, RefitBody
from shared.domain.access import Caller, Scope
from shared.domain.series import check_series_id
from shared.fitting.accepting import Accepted, accept_one
from shared.fitting.checking import Fit, Origin
from shared.fitting.repeating import fit_again as accept_again

if TYPE_CHECKING:
    from api.services import Services

router = APIRouter(tags=["fits"])
raw = APIRouter(tags=["fits"])  # routes that read the request themselves, like those of predictions

SMALL_BODY_BYTES = 32 * 1024  # about a thousand points, checked within a millisecond

_REFIT_BODY = msgspec.json.Decoder(RefitBody)
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?=$|[,;\s])")


@raw.post(
    "/fit/{series_id}",
    **operation(
        AcceptedJob,
        scope=Scope.FIT,
        status=202,
        body=FitBody,
        also={200: ("The job ended while the request waited for it", JobAnswer)},
        raw_parameters=(SERIES_ID, IDEMPOTENCY_KEY, PREFER),
    ),
)
async def fit(request: Request) -> Response:
    """Fit a series: learn what is normal for it. Responds at once with a job, whose URL is in the Location header."""
    services: Services = request.app.state.services
    caller, prefix = caller_of(request), prefix_of(request.scope)
    series_id = visible(check_series_id(request.path_params["series_id"]), caller)
    content = await read_content(request, services.settings.max_body_bytes)
    origin = Origin(request_id_of(request), caller.key_id, request.headers.get("idempotency-key"))
    read = await _read(services, caller, series_id, content, origin)
    if isinstance(read, FitBody):  # its points are in the database
        checked = partial(read_body, series_id, read, services.settings, origin, services.sessions)
        accepted = await services.lanes.accepting(accept_one, services.acceptor, await services.lanes.requests(checked))
    elif len(content) <= SMALL_BODY_BYTES:
        accepted = await services.grouped_fits(read)
    else:  # writing its data is slow, so other fits do not wait for it
        accepted = await services.lanes.accepting(accept_one, services.acceptor, read)
    if wait_s := _preferred_wait(request.headers.get("prefer")):
        await services.poller.wait(accepted.job_id, wait_s, caller.key_id)
        job = await services.lanes.requests(find_job, services, caller, accepted.job_id)
        if job.status.is_final:
            body = JobAnswer.of(job, prefix)
            return answer(body, 200, {"Location": body.links.self, **_preference_applied(wait_s)})
    return answer_accepted(accepted, prefix, _preference_applied(wait_s))


@router.post(
    "/series/{series_id}/versions/{version}/fit",
    **operation(AcceptedJob, scope=Scope.FIT, status=202, body=RefitBody),
)
async def refit(
    services: ServicesOf,
    caller: CallerOf,
    prefix: Prefix,
    series_id: SeriesId,
    version: VersionNumber,
    content: Content,
    request_id: RequestId,
) -> Response:
    """Refit a version on the same points, with another detector or other parameters."""
    origin = Origin(request_id, caller.key_id)
    accepted = await services.lanes.accepting(_fit_again, services, series_id, version, content, origin)
    return answer_accepted(accepted, prefix)


@router.post("/fit", **operation(BulkResult, scope=Scope.FIT, body=BulkLine, lines=True))
async def fit_many(services: ServicesOf, caller: CallerOf, request_id: RequestId) -> Response:
    """Fit many series: one JSON object with a series_id per line, answered by one result per line, in order."""
    return BulkAnswer(services, request_id, caller)


def _fit_again(services: "Services", series_id: str, version: int | None, content: bytes, origin: Origin) -> Accepted:
    """Accept a fit of the points of a version; `content` has the method."""
    method = method_of(decode(_REFIT_BODY, content), services.settings)
    return accept_again(services.acceptor, find_version(services, series_id, version), method, origin)


async def _read(
    services: "Services", caller: Caller, series_id: str, content: BodyContent, origin: Origin
) -> Fit | FitBody:
    """Decode and check a fit, outside the event loop if it is large."""
    if len(content) <= SMALL_BODY_BYTES:
        return read_fit(series_id, content, services.settings, origin)
    cost_s = len(content) * READ_S_PER_BYTE
    return await services.lanes.computing(
        caller.key_id, cost_s, read_fit, series_id, content, services.settings, origin
    )


def _preferred_wait(prefer: str | None) -> int:
    match = _WAIT.search(prefer or "")
    return min(int(match[1]), MAX_WAIT_S) if match else 0


def _preference_applied(wait_s: int) -> dict[str, str]:
    return {"Preference-Applied": f"wait={wait_s}"} if wait_s else {}
