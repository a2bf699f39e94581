"""Series: list, show, pin and delete them. Also the list of detectors."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from msgspec import UNSET
from starlette.responses import Response

from api.dependencies import CallerOf, Content, Cursor, IdPrefix, Limit, Prefix, SeriesId, ServicesOf, answer
from api.intake.answering import stream_answer
from api.openapi import operation
from api.routes.cursors import series_before, split_page
from api.routes.finding import check_exists
from api.schemas.answers import DeletedSeries, DetectorAnswer, DetectorList, SeriesAnswer, SeriesPage
from api.schemas.decoding import decode
from api.schemas.jobs import JobAnswer
from api.schemas.requests import PinBody
from shared.domain import detectors
from shared.domain.access import Scope
from shared.domain.detectors.contract import CAUSAL
from shared.domain.detectors.parameters import schema
from shared.domain.versions import SeriesSummary, series_not_found
from shared.store import jobs, streams, versions
from shared.store import series as series_store

router = APIRouter(tags=["series"])

_PIN = msgspec.json.Decoder(PinBody)


@router.get("/series", **operation(SeriesPage, scope=Scope.READ))
def list_series(
    services: ServicesOf,
    caller: CallerOf,
    prefix: IdPrefix = "",
    limit: Limit = 50,
    cursor: Cursor = None,
    *,
    total: Annotated[bool, Query(description="Count the series on all pages")] = False,
) -> Response:
    """List the series that have versions or stored points, ordered by id."""
    after = series_before(cursor)
    with services.sessions.begin() as session:
        summaries = series_store.page(session, prefix, after, limit + 1, caller.series_prefix)
        page, last = split_page(summaries, limit)
        counted = series_store.count_listed(session, prefix, caller.series_prefix) if total else UNSET
        live = streams.read(session, [summary.series_id for summary in page])
    rules = services.ingest.rulebook.current()
    listed = [SeriesAnswer.of(summary) for summary in page]
    for body in listed:
        if stream := live.get(body.series_id):
            body.stream = stream_answer(stream, rules, services.settings)
    return answer(SeriesPage(listed, last.series_id if last else None, counted))


@router.get("/series/{series_id}", **operation(SeriesAnswer, scope=Scope.READ))
def get_series(services: ServicesOf, prefix: Prefix, series_id: SeriesId) -> Response:
    """Return one series and its last job, even before its first fit has succeeded."""
    with services.sessions.begin() as session:
        summary = series_store.find(session, series_id)
        stream = streams.read(session, [series_id]).get(series_id)
        check_exists(session, series_id, summary, stream)
        job = jobs.last_of_series(session, series_id)
    body = SeriesAnswer.of(summary or series_store.without_version(series_id))
    if stream:
        body.stream = stream_answer(stream, services.ingest.rulebook.current(), services.settings)
    body.last_job = None if job is None else JobAnswer.of(job, prefix)
    return answer(body)


@router.delete("/series/{series_id}", **operation(DeletedSeries, scope=Scope.ADMIN))
def delete_series(services: ServicesOf, series_id: SeriesId) -> Response:
    """Delete all versions of a series and its stored points, close its alerts, and cancel its open jobs.

    Later fits continue the version numbers. The id is free at once; the reconciler deletes the points.
    """
    with services.sessions.begin() as session:
        deleted = series_store.delete_series(session, series_id)
    if not deleted.existed:
        raise series_not_found()
    return answer(DeletedSeries(series_id, len(deleted.versions), deleted.cancelled_job_ids))


@router.put("/series/{series_id}/pin", **operation(SeriesAnswer, scope=Scope.ADMIN, body=PinBody))
def pin_version(services: ServicesOf, series_id: SeriesId, content: Content) -> Response:
    """Serve this version as latest until the pin is removed. New fits are published, but not as latest."""
    version = decode(_PIN, content).version
    with services.sessions.begin() as session:
        if not series_store.pin(session, series_id, version):
            raise versions.missing(session, series_id, version)
        summary = series_store.find(session, series_id)
    return answer(_existing(summary))


@router.delete("/series/{series_id}/pin", **operation(SeriesAnswer, scope=Scope.ADMIN))
def unpin_version(services: ServicesOf, series_id: SeriesId) -> Response:
    """Remove the pin: the newest version is the latest again."""
    with services.sessions.begin() as session:
        series_store.unpin(session, series_id)
        summary = series_store.find(session, series_id)
    return answer(_existing(summary))


@router.get("/detectors", **operation(DetectorList, scope=Scope.READ))
def list_detectors(services: ServicesOf) -> Response:
    """List the detectors and their parameters."""
    return answer(
        DetectorList(
            [
                DetectorAnswer(
                    name=detector.name,
                    purpose=detector.purpose,
                    cost=detector.cost,
                    false_alarms=detector.false_alarms,
                    min_points=detector.min_points,
                    context_points=detector.context_points,
                    modes=[CAUSAL, *detector.modes],
                    default=detector.name == services.settings.default_detector,
                    parameters=schema(detector.parameters),
                )
                for detector in detectors.registry().values()
            ]
        )
    )


def _existing(summary: SeriesSummary | None) -> SeriesAnswer:
    """Convert a summary; raise `NotFoundError` if there is none."""
    if summary is None:
        raise series_not_found()
    return SeriesAnswer.of(summary)
