"""Parameters that routes declare by type, and the JSON responses that they share."""

from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
from fastapi import Depends, Path, Query, Request
from pydantic import WithJsonSchema
from starlette.responses import Response

from api.chain.authentication import caller_of, still_allowed
from api.chain.bodies import read
from api.matching import prefix_of
from api.problems import request_id_of
from api.schemas.jobs import AcceptedJob
from api.schemas.parameters import ABOUT_SERIES_ID, SERIES_EXAMPLE, SERIES_ID_SCHEMA, VERSION_SCHEMA
from api.services import Services
from shared.domain.access import Caller
from shared.domain.series import check_series_id
from shared.domain.versions import parse_version, series_not_found
from shared.fitting.accepting import Accepted

MAX_LISTED = 200
MAX_CONTENT_BYTES = 256 * 1024  # of a body without points: a thousand windows with generous whitespace


def _services(request: Request) -> Services:
    return request.app.state.services  # type: ignore[no-any-return]


def _series_id(
    caller: Annotated[Caller, Depends(caller_of)],
    series_id: Annotated[
        str, Path(description=ABOUT_SERIES_ID, examples=[SERIES_EXAMPLE]), WithJsonSchema(SERIES_ID_SCHEMA)
    ],
) -> str:
    return visible(check_series_id(series_id), caller)


def _version(
    version: Annotated[
        str, Path(description="Version number, as in 3 or v3, or latest"), WithJsonSchema(VERSION_SCHEMA)
    ],
) -> int | None:
    return parse_version(version)


async def _content(request: Request) -> bytes:
    return (await read(request, MAX_CONTENT_BYTES)).whole()


def _prefix(request: Request) -> str:
    return prefix_of(request.scope)


def visible(series_id: str, caller: Caller) -> str:
    """Return the id; raise `NotFoundError` if the caller's key does not see the series."""
    if not caller.sees(series_id):
        raise series_not_found()
    return series_id


ServicesOf = Annotated[Services, Depends(_services)]
CallerOf = Annotated[Caller, Depends(caller_of)]
StillAllowed = Annotated[Callable[[], bool], Depends(still_allowed)]
SeriesId = Annotated[str, Depends(_series_id)]
VersionNumber = Annotated[int | None, Depends(_version)]
Content = Annotated[bytes, Depends(_content)]
Prefix = Annotated[str, Depends(_prefix)]  # under which a proxy serves this application; empty without one
RequestId = Annotated[str, Depends(request_id_of)]
Limit = Annotated[int, Query(ge=1, le=MAX_LISTED, description="Entries per page")]
Cursor = Annotated[str | None, Query(max_length=200, description="next_cursor of the previous page")]
IdPrefix = Annotated[
    str, Query(max_length=128, pattern=r"^[A-Za-z0-9._-]*$", description="Only series with this id prefix")
]


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return the body as a JSON response."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def answer_accepted(accepted: Accepted, prefix: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response to an accepted fit, with its job as Location."""
    body = AcceptedJob.of(accepted, prefix)
    return answer(body, 202, {"Location": body.links.self, "Retry-After": "1", **(headers or {})})
