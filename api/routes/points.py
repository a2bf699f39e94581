"""Stored points: push them, read them with the verdicts of their time, and delete them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.chain.authentication import caller_of
from api.chain.bodies import read
from api.charts.histories import DEFAULT_SHOWN, MAX_SHOWN, MIN_SHOWN
from api.dependencies import CallerOf, SeriesId, ServicesOf, answer, visible
from api.intake.answering import push_answer
from api.intake.apart import take_apart
from api.intake.columns import Checked
from api.intake.reading import read_stored
from api.intake.taking import read_columns, take_columns, take_lines
from api.openapi import operation
from api.schemas.parameters import SERIES_ID
from api.schemas.points import DeletionAnswer, LinesAnswer, PushAnswer, StoredPointsAnswer
from api.schemas.requests import PointLine, PushBody
from api.schemas.times import Moment
from api.services import Services
from shared.domain.access import Scope
from shared.domain.series import LAST_TIMESTAMP, check_series_id
from shared.errors import Code, Flaw, InputError
from shared.fitting.stored import stream_not_found
from shared.store import streams
from shared.watching.ingesting import Taken

router = APIRouter(tags=["points"])
raw = APIRouter(tags=["points"])  # routes that read the request themselves, like those of predictions

SMALL_BODY_BYTES = 16 * 1024  # some hundred points, checked within a millisecond
READ_S = 0.04  # expected time of reading stored points


@raw.post(
    "/series/{series_id}/points",
    **operation(PushAnswer, scope=Scope.WRITE, body=PushBody, raw_parameters=(SERIES_ID,)),
)
async def push(request: Request) -> Response:
    """Store points of a series and judge those that are new, with the latest version.

    Sending points again changes nothing and returns the stored verdicts. A null value is a known gap. Invalid points
    are refused one by one.
    """
    services: Services = request.app.state.services
    series_id = visible(check_series_id(request.path_params["series_id"]), caller_of(request))
    content = await read(request, services.settings.max_body_bytes)
    if len(content) > SMALL_BODY_BYTES:  # it must block neither the event loop nor a group of other pushes
        body = await take_apart(request, content, take_columns, series_id)
    else:
        checked = read_columns(services.pushing, content, series_id)
        taken = await services.grouped_pushes(checked.push) if len(checked.push.timestamps) else None
        body = await _answered(services, checked, taken)
    return Response(body, media_type="application/json")


@raw.post("/points", **operation(LinesAnswer, scope=Scope.WRITE, body=PointLine, lines_in=True))
async def push_lines(request: Request) -> Response:
    """Store points of many series: one JSON object per line, with timestamp and value, or with columns.

    The valid lines are taken whatever the others are.
    """
    services: Services = request.app.state.services
    content = await read(request, services.settings.max_body_bytes)
    body = await take_apart(request, content, take_lines, caller_of(request))
    return Response(body, media_type="application/json")


@router.get("/series/{series_id}/points", **operation(StoredPointsAnswer, scope=Scope.READ))
async def stored_points(
    services: ServicesOf,
    caller: CallerOf,
    series_id: SeriesId,
    from_: Annotated[Moment, Query(alias="from", description="First second of the span")] = 0,
    to: Annotated[Moment, Query(description="Last second of the span")] = LAST_TIMESTAMP,
    max_points: Annotated[
        int, Query(ge=MIN_SHOWN, le=MAX_SHOWN, description="Maximum number of points")
    ] = DEFAULT_SHOWN,
) -> Response:
    """Return stored points with the verdicts that they got when they arrived, downsampled for a chart."""
    if from_ > to:
        sentence = "`to` must not be earlier than `from`."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(("query", "to"), sentence)])
    body = await services.lanes.pushing(
        caller.key_id, READ_S, read_stored, services.pushing, series_id, from_, to, max_points
    )
    return Response(body, media_type="application/json")


@router.delete("/series/{series_id}/points", **operation(DeletionAnswer, scope=Scope.ADMIN, status=202))
def delete_points(
    services: ServicesOf,
    series_id: SeriesId,
    before: Annotated[Moment, Query(description="Points before this second are deleted")],
) -> Response:
    """Delete the stored points before a time. The reconciler deletes them in batches."""
    with services.sessions.begin() as session:
        if not streams.delete_before(session, series_id, before):
            raise stream_not_found()
    return answer(DeletionAnswer(series_id, before), 202)


async def _answered(services: Services, checked: Checked, taken: Taken | None) -> bytes:
    """Encode the answer; stored verdicts of repeated points are read in a thread."""
    if taken is None or (taken.repeated == 0 and taken.late == 0 and not checked.refusals):
        return push_answer(services.pushing, checked, taken)
    return await services.lanes.ingest(push_answer, services.pushing, checked, taken)
