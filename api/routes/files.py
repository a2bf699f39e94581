"""Files that a page sends to have them read, as the command line reads them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.chain.bodies import read as read_content
from api.dependencies import CallerOf, ServicesOf
from api.files.apart import read_apart
from api.files.choices import Choices, Doubled, Unit
from api.openapi import page_route
from api.pages import render
from shared.domain.access import Scope

router = APIRouter(tags=["pages"])

TEXT = "The text"  # in messages, if the content has no name

Stated = Annotated[str | None, Query(max_length=200)]


def choices_of_query(
    *,
    time: Stated = None,
    value: Stated = None,
    series_column: Stated = None,
    unit: Unit | None = None,
    time_format: Stated = None,
    timezone: Stated = None,
    delimiter: Stated = None,
    decimal: Stated = None,
    thousands: Stated = None,
    encoding: Stated = None,
    skip_rows: Annotated[int, Query(ge=0)] = 0,
    doubled: Doubled = Doubled.REFUSE,
) -> Choices:
    """Return what the user states, with the names of the command line's options."""
    return Choices(
        time_column=time,
        value_column=value,
        series_column=series_column,
        unit=unit,
        time_format=time_format,
        timezone=timezone,
        delimiter=delimiter,
        decimal=decimal,
        thousands=thousands,
        encoding=encoding,
        skip_rows=skip_rows,
        doubled=doubled,
    )


@router.get("/ui/fit", **page_route(scope=Scope.FIT))
async def fit_page(request: Request, services: ServicesOf) -> Response:
    """Show the form that fits the series of a file."""
    return render(request, "fit.html", max_bytes=services.settings.max_body_bytes)


@router.post("/ui/files", **page_route(scope=Scope.READ))
async def read_file(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    choices: Annotated[Choices, Depends(choices_of_query)],
    name: Annotated[str, Query(max_length=255, description="Name of the file, for messages")] = TEXT,
    series: Annotated[str | None, Query(max_length=200, description="Read only this series")] = None,
) -> Response:
    """Return the series of a file: points, what was inferred or skipped, and an id."""
    max_bytes = services.settings.max_body_bytes
    content = await read_content(request, max_bytes)
    lane = services.lanes.files
    return Response(
        await read_apart(lane, caller.key_id, content, name, choices, series, max_bytes), media_type="application/json"
    )
