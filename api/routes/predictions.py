"""Predictions: for one point, many points of a series, or points of many series.

These routes read the request and encode the response themselves, because parsing and serializing in FastAPI would take
longer than the verdict.
"""

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.chain.authentication import caller_of
from api.dependencies import answer, visible
from api.openapi import operation
from api.predicting import answering
from api.predicting.reading import (
    Unreadable,
    check_context,
    points_of,
    points_one_by_one,
    timestamp_of,
    value_of,
)
from api.problems import problem, request_id_of
from api.schemas.answers import BatchVerdicts, ManyVerdicts, PointVerdict, Verdict
from api.schemas.decoding import decode
from api.schemas.parameters import EXPLAIN, MODE, SERIES_ID, VERSION
from api.schemas.requests import MAX_POINTS, ManyPointsBody, PointsBody, PredictBody, SeriesPoint
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.detectors.contract import CAUSAL
from shared.domain.series import check_series_id
from shared.domain.versions import parse_version
from shared.errors import Code, Flaw, InputError, TsadError

router = APIRouter(tags=["predictions"])

_POINT = msgspec.json.Decoder(PredictBody)


@router.post(
    "/predict/{series_id}",
    **operation(Verdict, scope=Scope.READ, body=PredictBody, raw_parameters=(SERIES_ID, VERSION, EXPLAIN)),
)
async def predict(request: Request) -> Response:
    """Score one point with the latest version or a given one."""
    services: Services = request.app.state.services
    series_id = visible(check_series_id(request.path_params["series_id"]), caller_of(request))
    version, explain = None, False
    if request.scope["query_string"]:  # parsing an empty query string takes as long as a verdict
        version = parse_version(request.query_params.get("version"))
        explain = _flag(request, "explain")
    body = decode(_POINT, await request.body())
    check_context(body.context, services.settings.max_context_points)
    timestamp, value = timestamp_of(body.timestamp), value_of(body.value)
    number, fitted = await services.resolver.resolve(series_id, version)
    return answer(answering.verdict(number, fitted, timestamp, value, body.context, with_explanation=explain))


@router.post(
    "/predict/{series_id}/batch",
    **operation(BatchVerdicts, scope=Scope.READ, body=PointsBody, raw_parameters=(SERIES_ID, VERSION, MODE)),
)
async def predict_batch(request: Request) -> Response:
    """Score many points of one series. Request and response hold columns."""
    services: Services = request.app.state.services
    series_id = visible(check_series_id(request.path_params["series_id"]), caller_of(request))
    version = parse_version(request.query_params.get("version"))
    mode = request.query_params.get("mode", CAUSAL)
    content = await request.body()
    number, fitted = await services.resolver.resolve(series_id, version)
    max_points = services.settings.max_batch_points
    encoded = await services.lanes.batches(answering.batch, number, fitted, content, max_points, mode)
    return Response(encoded, media_type="application/json")


@router.post("/predict", **operation(ManyVerdicts, scope=Scope.READ, body=ManyPointsBody))
async def predict_many(request: Request) -> Response:
    """Score up to 1,000 points of any series in one request: a verdict or a problem for each, in order.

    A point that cannot be read, even one whose value is null or NaN, gets a problem and leaves the others alone.
    """
    services: Services = request.app.state.services
    content = await request.body()
    points = points_of(content)
    if points is None:
        points = await services.lanes.batches(points_one_by_one, content, MAX_POINTS)
    caller, request_id = caller_of(request), request_id_of(request)
    results = await asyncio.gather(*(_judge_point(services, point, caller, request_id) for point in points))
    return answer(ManyVerdicts(results))


async def _judge_point(
    services: Services, point: SeriesPoint | Unreadable, caller: Caller, request_id: str
) -> PointVerdict:
    """Score one of many points.

    All points await the resolver in the same iteration of the event loop, so one query resolves every latest version.
    """
    try:
        if isinstance(point, Unreadable):
            raise point.error
        series_id = visible(check_series_id(point.series_id), caller)
        version = None if point.version is None else parse_version(str(point.version))
        check_context(point.context, services.settings.max_context_points)
        timestamp, value = timestamp_of(point.timestamp), value_of(point.value)
        number, fitted = await services.resolver.resolve(series_id, version)
        return PointVerdict(series_id, answering.verdict(number, fitted, timestamp, value, point.context))
    except TsadError as error:
        return PointVerdict(point.series_id[:128], problem=problem(error, request_id))


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        flaws = [Flaw(("query", name), "must be true or false")]
        raise InputError(Code.INVALID_REQUEST, f"The parameter {name} must be true or false.", flaws=flaws)
    return text in ("true", "1")
