"""Versions of a series: list, show and delete them, and return their training data."""

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from api.charts.histories import DEFAULT_SHOWN, MAX_SHOWN, MIN_SHOWN
from api.dependencies import Cursor, Limit, SeriesId, ServicesOf, VersionNumber, answer
from api.openapi import operation
from api.routes.cursors import split_page, version_limit
from api.routes.finding import find_version
from api.schemas.answers import PointsAnswer, TrainingData, VersionAnswer, VersionPage, nullable
from shared.domain.access import Scope
from shared.domain.series import LAST_TIMESTAMP, Series
from shared.domain.versions import series_not_found
from shared.errors import Code, Flaw, InputError
from shared.store import series as series_store
from shared.store import versions

router = APIRouter(tags=["versions"])

POINTS_AT_A_TIME = 10_000


@router.get("/series/{series_id}/versions", **operation(VersionPage, scope=Scope.READ))
def list_versions(services: ServicesOf, series_id: SeriesId, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """List the versions of a series, newest first."""
    below = version_limit(cursor)
    with services.sessions.begin() as session:
        rows = versions.page(session, series_id, below, limit + 1)
        if not rows and series_store.find(session, series_id) is None:
            raise series_not_found()
    page, last = split_page(rows, limit)
    next_cursor = str(last.version) if last else None
    return answer(VersionPage([VersionAnswer.of(version) for version in page], next_cursor))


@router.get("/series/{series_id}/versions/{version}", **operation(VersionAnswer, scope=Scope.READ))
def get_version(services: ServicesOf, series_id: SeriesId, version: VersionNumber) -> Response:
    """Return a version: what it was fitted on, and what it learned."""
    return answer(VersionAnswer.of(find_version(services, series_id, version)))


@router.get(
    "/series/{series_id}/versions/{version}/data",
    **operation(TrainingData, scope=Scope.READ, alternatives=("text/csv",)),
)
def get_training_data(
    services: ServicesOf,
    series_id: SeriesId,
    version: VersionNumber,
    format_: Annotated[Literal["json", "csv"], Query(alias="format", description="Format of the response")] = "json",
) -> Response:
    """Return the points a version was fitted on, as they were sent."""
    resolved = find_version(services, series_id, version)
    points = Series.decode(services.artifacts.data.get(resolved.data))
    if format_ == "csv":
        name = f"{series_id}-v{resolved.version}.csv"
        return StreamingResponse(
            _csv(points), media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )
    return StreamingResponse(_json(points), media_type="application/json")


@router.get(
    "/series/{series_id}/versions/{version}/points",
    **operation(PointsAnswer, scope=Scope.READ),
)
def get_points(
    services: ServicesOf,
    series_id: SeriesId,
    version: VersionNumber,
    from_: Annotated[int, Query(alias="from", ge=0, le=LAST_TIMESTAMP, description="First second of the span")] = 0,
    to: Annotated[int, Query(ge=0, le=LAST_TIMESTAMP, description="Last second of the span")] = LAST_TIMESTAMP,
    max_points: Annotated[
        int, Query(ge=MIN_SHOWN, le=MAX_SHOWN, description="Maximum number of points")
    ] = DEFAULT_SHOWN,
) -> Response:
    """Return a span of the training data, downsampled for a chart; keep its extremes, and its anomalies if they fit."""
    if from_ > to:
        sentence = "`to` must not be earlier than `from`."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(("query", "to"), sentence)])
    resolved = find_version(services, series_id, version)
    excerpt = services.histories.of(resolved).excerpt(from_, to, max_points)
    return answer(
        PointsAnswer(
            series_id=series_id,
            version=str(resolved.version),
            detector=resolved.detector,
            points=excerpt.points,
            anomalies=excerpt.anomalies,
            timestamps=excerpt.timestamps.tolist(),
            values=excerpt.values.tolist(),
            score=nullable(excerpt.score),
            expected=nullable(excerpt.expected),
            lower=nullable(excerpt.lower),
            upper=nullable(excerpt.upper),
        )
    )


@router.delete("/series/{series_id}/versions/{version}", **operation(None, scope=Scope.ADMIN, status=204))
def delete_version(services: ServicesOf, series_id: SeriesId, version: VersionNumber) -> Response:
    """Delete one version by its number, which is never reused. A pinned version cannot be deleted."""
    if version is None:
        raise InputError(Code.INVALID_VERSION, "Give the number of the version to delete, such as 3 or v3.")
    with services.sessions.begin() as session:
        if not versions.delete_version(session, series_id, version):
            raise versions.missing(session, series_id, version)
    return Response(status_code=204)


def _json(points: Series) -> Iterator[bytes]:
    """Yield the body of `TrainingData` in parts, so that a long series is never encoded as a whole."""
    for name, column in (("timestamps", points.timestamps), ("values", points.values)):
        yield b'{"timestamps":[' if name == "timestamps" else b'],"values":['
        for start in range(0, len(points), POINTS_AT_A_TIME):
            part = msgspec.json.encode(column[start : start + POINTS_AT_A_TIME].tolist())
            yield (b"," if start else b"") + part[1:-1]
    yield b"]}"


def _csv(points: Series) -> Iterator[str]:
    """Yield the points as CSV with a header, in parts."""
    yield "timestamp,value\n"
    for start in range(0, len(points), POINTS_AT_A_TIME):
        rows = io.StringIO()
        part = slice(start, start + POINTS_AT_A_TIME)
        csv.writer(rows, lineterminator="\n").writerows(
            zip(points.timestamps[part].tolist(), points.values[part].tolist(), strict=True)
        )
        yield rows.getvalue()
