"""Predictions: for one point, many points of a series, or points of many series.

These routes read the request and encode the response themselves, because parsing and serializing in FastAPI would take
longer than the verdict.
"""

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.chain.authentication import caller_of
from api.chain.bodies import SMALL_BYTES, read
from api.dependencies import answer, visible
from api.openapi import operation
from api.predicting.reading import (
    Unreadable,
    check_context,
    points_of,
    points_one_by_one,
    timestamp_of,
    value_of,
)
from api.predicting.scoring import Question
from api.problems import problem, request_id_of
from api.schemas.answers import BatchVerdicts, ManyVerdicts, PointVerdict, Verdict
from api.schemas.decoding import decode
from api.schemas.parameters import EXPLAIN, MODE, SERIES_ID, VERSION
from api.schemas.requests import ManyPointsBody, PointsBody, PredictBody, SeriesPoint
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.detectors.contract import CAUSAL
from shared.domain.series import check_series_id
from shared.domain.versions import parse_version
from shared.errors import Code, Flaw, InputError, TsadError
from shared.settings import MIB

router = APIRouter(tags=["predictions"])

VALUE_BYTES = 64  # of a number in JSON, with generous whitespace
MANY_BYTES = 8 * MIB  # of points of many series
POINTS_AT_A_TIME = 100  # of many, whose versions are resolved together
_EMPTY_BYTES = 16 * 1024  # of the rest of a body

_POINT = msgspec.json.Decoder(PredictBody)


@router.post(
    "/predict/{series_id}",
    **operation(Verdict, scope=Scope.READ, body=PredictBody, raw_parameters=(SERIES_ID, VERSION, EXPLAIN)),
)
async def predict(request: Request) -> Response:
    """Score one point with the latest version or a given one."""
    services: Services = request.app.state.services
    caller = caller_of(request)
    series_id = visible(check_series_id(request.path_params["series_id"]), caller)
    version, explain = None, False
    if request.scope["query_string"]:  # parsing an empty query string takes as long as a verdict
        version = parse_version(request.query_params.get("version"))
        explain = _flag(request, "explain")
    max_context = services.settings.max_context_points
    body = decode(_POINT, (await read(request, _EMPTY_BYTES + max_context * VALUE_BYTES)).whole())
    check_context(body.context, max_context)
    timestamp, value = timestamp_of(body.timestamp), value_of(body.value)
    number, fitted = await services.resolver.resolve(series_id, version)
    question = Question(number, fitted, timestamp, value, body.context, explain)
    return answer(await services.scorer.verdict(caller.key_id, question))


@router.post(
    "/predict/{series_id}/batch",
    **operation(BatchVerdicts, scope=Scope.READ, body=PointsBody, raw_parameters=(SERIES_ID, VERSION, MODE)),
)
async def predict_batch(request: Request) -> Response:
    """Score many points of one series. Request and response hold columns."""
    services: Services = request.app.state.services
    caller = caller_of(request)
    series_id = visible(check_series_id(request.path_params["series_id"]), caller)
    version = parse_version(request.query_params.get("version"))
    mode = request.query_params.get("mode", CAUSAL)
    max_points = services.settings.max_batch_points
    content = await read(request, _EMPTY_BYTES + 2 * max_points * VALUE_BYTES)
    number, fitted = await services.resolver.resolve(series_id, version)
    encoded = await services.scorer.batch(caller.key_id, number, fitted, content, max_points, mode)
    return Response(encoded, media_type="application/json")


@router.post("/predict", **operation(ManyVerdicts, scope=Scope.READ, body=ManyPointsBody))
async def predict_many(request: Request) -> Response:
    """Score up to 1,000 points of any series in one request: a verdict or a problem for each, in order.

    A point that cannot be read, even one whose value is null or NaN, gets a problem and leaves the others alone.
    """
    services: Services = request.app.state.services
    caller, request_id = caller_of(request), request_id_of(request)
    content = await read(request, MANY_BYTES)
    points = points_of(content.whole()) if len(content) <= SMALL_BYTES else None
    if points is None:
        points = await services.scorer.read(caller.key_id, points_one_by_one, content)
    questions: list[Question | TsadError] = []
    for start in range(0, len(points), POINTS_AT_A_TIME):
        part = points[start : start + POINTS_AT_A_TIME]
        questions += await asyncio.gather(*(_question(services, point, caller) for point in part))
    valid = [question for question in questions if isinstance(question, Question)]
    verdicts = iter(await services.scorer.verdicts(caller.key_id, valid))
    outcomes = (next(verdicts) if isinstance(question, Question) else question for question in questions)
    return answer(
        ManyVerdicts(
            [
                PointVerdict(point.series_id[:128], problem=problem(outcome, request_id))
                if isinstance(outcome, TsadError)
                else PointVerdict(point.series_id.strip(), outcome)
                for point, outcome in zip(points, outcomes, strict=True)
            ]
        )
    )


async def _question(services: Services, point: SeriesPoint | Unreadable, caller: Caller) -> Question | TsadError:
    """Return one of many points with its state, or its error.

    The points of a slice await the resolver in the same iteration of the event loop, so one query resolves every latest
    version.
    """
    try:
        if isinstance(point, Unreadable):
            raise point.error
        series_id = visible(check_series_id(point.series_id), caller)
        version = None if point.version is None else parse_version(str(point.version))
        check_context(point.context, services.settings.max_context_points)
        timestamp, value = timestamp_of(point.timestamp), value_of(point.value)
        number, fitted = await services.resolver.resolve(series_id, version)
    except TsadError as error:
        return error
    return Question(number, fitted, timestamp, value, point.context)


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        flaws = [Flaw(("query", name), "must be true or false")]
        raise InputError(Code.INVALID_REQUEST, f"The parameter {name} must be true or false.", flaws=flaws)
    return text in ("true", "1")
