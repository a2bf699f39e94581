"""Points in the protocols of other systems: Prometheus remote write, and line protocol."""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.chain.authentication import caller_of
from api.chain.bodies import read
from api.intake import line_protocol, remote_write
from api.intake.apart import take_apart
from api.intake.taking import take_line_protocol, take_samples
from api.openapi import operation
from api.schemas.parameters import BUCKET, DATABASE, PRECISION
from shared.domain.access import Scope

if TYPE_CHECKING:
    from api.services import Services

raw = APIRouter(tags=["points"])  # routes that read the request themselves, like those of predictions


@raw.post("/api/v1/write", **operation(None, scope=Scope.WRITE, status=204, content=remote_write.MEDIA_TYPE))
async def write_samples(request: Request) -> Response:
    """Store samples that Prometheus sends (remote write 1.0), for the series that a source selects.

    Valid samples are stored even if others are refused; the response is then 400, which Prometheus does not repeat.
    Samples that no source selects, and native histograms, are counted and ignored.
    """
    services: Services = request.app.state.services
    remote_write.check_media_type(request.headers.get("content-type", ""))
    content = await read(request, services.settings.max_body_bytes)
    await take_apart(request, content, take_samples, caller_of(request))
    return Response(status_code=204)


@raw.post(
    "/api/v2/write",
    **operation(
        None,
        scope=Scope.WRITE,
        status=204,
        content=line_protocol.MEDIA_TYPE,
        raw_parameters=(BUCKET, PRECISION),
    ),
)
async def write_lines(request: Request) -> Response:
    """Store numbers in line protocol, as for InfluxDB 2. Each field of a measurement with its tags is a series.

    Its id is the bucket, the measurement, the values of the tags, and the field. Valid lines are stored even if others
    are refused; the response is then 400. The key may also be sent as `Authorization: Token`.
    """
    return await _write_lines(request, "bucket")


@raw.post(
    "/write",
    **operation(
        None,
        scope=Scope.WRITE,
        status=204,
        content=line_protocol.MEDIA_TYPE,
        raw_parameters=(DATABASE, PRECISION),
    ),
)
async def write_lines_to_database(request: Request) -> Response:
    """Store numbers in line protocol, as for InfluxDB 1. The database is what the bucket is for InfluxDB 2."""
    return await _write_lines(request, "db")


async def _write_lines(request: Request, namespace: str) -> Response:
    services: Services = request.app.state.services
    bucket = request.query_params.get(namespace, "")
    precision = line_protocol.check_precision(request.query_params.get("precision", ""))
    content = await read(request, services.settings.max_body_bytes)
    await take_apart(request, content, take_line_protocol, caller_of(request), bucket, precision)
    return Response(status_code=204)
