"""Automatic fits of a series: when the next one is due, what became of the last one, and a fit right now."""

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from api.dependencies import CallerOf, Prefix, RequestId, SeriesId, ServicesOf, answer, answer_accepted
from api.openapi import operation
from api.schemas.jobs import AcceptedJob
from api.schemas.schedules import ScheduleAnswer
from shared.domain.access import Scope
from shared.errors import Code, NotFoundError
from shared.fitting.accepting import accept_one
from shared.fitting.checking import Origin
from shared.fitting.stored import check_stored, stream_not_found
from shared.store import scheduled

router = APIRouter(tags=["watches"])

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="A repeated request with the same key returns the job of the first one",
    ),
]


@router.get("/series/{series_id}/schedule", **operation(ScheduleAnswer, scope=Scope.READ))
def get_schedule(services: ServicesOf, series_id: SeriesId) -> Response:
    """Return when a series is fitted automatically next, and what became of the last automatic fit."""
    watch = services.ingest.rulebook.current().watch_of(series_id)
    with services.sessions.begin() as session:
        stream = scheduled.find(session, series_id)
        if stream is None:
            raise stream_not_found()
        job_id = scheduled.job_of(session, stream)
    return answer(ScheduleAnswer.of(stream, watch, job_id))


@router.post("/series/{series_id}/refit", **operation(AcceptedJob, scope=Scope.FIT, status=202))
def refit_now(
    services: ServicesOf,
    caller: CallerOf,
    prefix: Prefix,
    series_id: SeriesId,
    request_id: RequestId,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Fit a series now, as its watch says: its detector, parameters and window, up to the newest stored point.

    The schedule continues unchanged.
    """
    watch = services.ingest.rulebook.current().watch_of(series_id)
    if watch is None:
        sentence = "No watch has a prefix of this series id. Create one, or send a fit to POST /fit/{series_id}."
        raise NotFoundError(Code.WATCH_NOT_FOUND, sentence)
    origin = Origin(request_id, caller.key_id, idempotency_key)
    fit, _ = check_stored(services.sessions, services.settings, series_id, watch, watch.window_s, origin)
    return answer_accepted(accept_one(services.acceptor, fit), prefix)
