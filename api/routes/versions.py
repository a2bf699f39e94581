"""Versions of a series: list, show and delete them, and return their training data."""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Annotated, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from api.charts.histories import DEFAULT_SHOWN, MAX_SHOWN, MIN_SHOWN
from api.dependencies import CallerOf, Cursor, Limit, SeriesId, ServicesOf, StillAllowed, VersionNumber, answer
from api.following.downloads import Download
from api.openapi import operation
from api.routes.cursors import split_page, version_limit
from api.routes.finding import find_version
from api.schemas.answers import PointsAnswer, TrainingData, VersionAnswer, VersionPage, nullable
from shared.domain.access import Scope
from shared.domain.series import LAST_TIMESTAMP, timestamp_slices, value_slices
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
    caller: CallerOf,
    is_allowed: StillAllowed,
    series_id: SeriesId,
    version: VersionNumber,
    format_: Annotated[Literal["json", "csv"], Query(alias="format", description="Format of the response")] = "json",
) -> Response:
    """Return the points a version was fitted on, as they were sent."""
    resolved = find_version(services, series_id, version)
    services.downloads.take(caller.key_id)
    with ExitStack() as opened:
        opened.callback(services.downloads.release, caller.key_id)
        with services.turns:
            content = opened.enter_context(services.artifacts.data.open(resolved.data))
        close = opened.pop_all().close  # from here on, the response releases both
    if format_ == "csv":
        name = f"{series_id}-v{resolved.version}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Download(_csv(content), is_allowed, close, media_type="text/csv", headers=headers)
    return Download(_json(content), is_allowed, close, media_type="application/json")


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


def _json(content: IO[bytes]) -> Iterator[bytes]:
    """Yield the body of `TrainingData` in parts, so that memory never holds a long series, even if its reader stops."""
    for start, column in (
        (b'{"timestamps":[', timestamp_slices(content, POINTS_AT_A_TIME)),
        (b'],"values":[', value_slices(content, POINTS_AT_A_TIME)),
    ):
        yield start
        for number, part in enumerate(column):
            yield (b"," if number else b"") + msgspec.json.encode(part.tolist())[1:-1]
    yield b"]}"


def _csv(content: IO[bytes]) -> Iterator[bytes]:
    """Yield the points as CSV with a header, in parts."""
    yield b"timestamp,value\n"
    columns = timestamp_slices(content, POINTS_AT_A_TIME), value_slices(content, POINTS_AT_A_TIME)
    for timestamps, values in zip(*columns, strict=True):
        rows = io.StringIO()
        csv.writer(rows, lineterminator="\n").writerows(zip(timestamps.tolist(), values.tolist(), strict=True))
        yield rows.getvalue().encode()
