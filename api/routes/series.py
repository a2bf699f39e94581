"""Series: list them, look at one, choose what its latest version is, delete it; and the detectors there are."""

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from api.answers import DeletedSeries, DetectorAnswer, DetectorList, SeriesAnswer, SeriesPage
from api.bodies import decode
from api.dependencies import CallerOf, Content, Cursor, Limit, Prefix, SeriesId, ServicesOf, answer, invalid_cursor
from api.job_answers import JobAnswer
from api.openapi import operation
from api.requests import PinBody
from api.resolving import series_not_found, version_not_found
from shared.domain import detectors
from shared.domain.access import Scope
from shared.domain.detectors.contract import CAUSAL
from shared.domain.detectors.parameters import schema
from shared.domain.series import check_series_id
from shared.domain.versions import SeriesSummary
from shared.errors import InputError
from shared.store import changes, views
from shared.store import series as series_store

router = APIRouter(tags=["series"])

_PIN = msgspec.json.Decoder(PinBody)


@router.get("/series", **operation(SeriesPage, scope=Scope.READ))
def list_series(
    services: ServicesOf, caller: CallerOf, prefix: Prefix = "", limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Series that have versions, in the order of their ids."""
    after = "" if cursor is None else series_cursor(cursor)
    with services.sessions.begin() as session:
        found = series_store.page(session, prefix, after, limit + 1, caller.series_prefix)
    page = found[:limit]
    more = page[-1].series_id if len(found) > limit else None
    return answer(SeriesPage([SeriesAnswer.of(one) for one in page], more))


@router.get("/series/{series_id}", **operation(SeriesAnswer, scope=Scope.READ))
def one_series(services: ServicesOf, series_id: SeriesId) -> Response:
    """One series and its last job, also while its first fit is still under way."""
    with services.sessions.begin() as session:
        found = series_store.find(session, series_id)
        job = views.last_of_series(session, series_id)
    if found is None and (job is None or not job.holds_data):  # or it was deleted
        raise series_not_found()
    one = SeriesAnswer.of(found) if found else SeriesAnswer(series_id, None, None, 0, *[None] * 7)
    one.last_job = None if job is None else JobAnswer.of(job)
    return answer(one)


@router.delete("/series/{series_id}", **operation(DeletedSeries, scope=Scope.ADMIN))
def delete_series(services: ServicesOf, series_id: SeriesId) -> Response:
    """Delete all versions of a series and cancel its open jobs. The next fit continues the version numbers."""
    with services.sessions.begin() as session:
        deleted = changes.delete_series(session, series_id)
    if not deleted.existed:
        raise series_not_found()
    return answer(DeletedSeries(series_id, len(deleted.versions), deleted.cancelled_job_ids))


@router.put("/series/{series_id}/pin", **operation(SeriesAnswer, scope=Scope.ADMIN, body=PinBody))
def pin(services: ServicesOf, series_id: SeriesId, content: Content) -> Response:
    """Make a version what latest means, until the pin is removed: new fits are published, but not latest."""
    version = decode(_PIN, content).version
    with services.sessions.begin() as session:
        if not changes.pin(session, series_id, version):
            raise version_not_found() if series_store.find(session, series_id) else series_not_found()
        found = series_store.find(session, series_id)
    return answer(_shown(found))


@router.delete("/series/{series_id}/pin", **operation(SeriesAnswer, scope=Scope.ADMIN))
def unpin(services: ServicesOf, series_id: SeriesId) -> Response:
    """Make the newest version latest again."""
    with services.sessions.begin() as session:
        changes.unpin(session, series_id)
        found = series_store.find(session, series_id)
    return answer(_shown(found))


@router.get("/detectors", **operation(DetectorList, scope=Scope.READ))
def list_detectors() -> Response:
    """The detectors a fit may ask for, with their parameters."""
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
                    default=detector.name == detectors.DEFAULT,
                    parameters=schema(detector.parameters),
                )
                for detector in detectors.registry().values()
            ]
        )
    )


def series_cursor(cursor: str) -> str:
    """The id behind which a page begins; `InputError` for what no page gave."""
    try:
        return check_series_id(cursor)
    except InputError:
        raise invalid_cursor() from None


def _shown(found: SeriesSummary | None) -> SeriesAnswer:
    if found is None:
        raise series_not_found()
    return SeriesAnswer.of(found)
