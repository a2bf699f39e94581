"""Watches: configure, list, pause and delete them."""

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from api.applying import watches as applying
from api.dependencies import CallerOf, Content, ServicesOf, answer
from api.openapi import operation
from api.routes.finding import WatchName, find_watch
from api.schemas.decoding import decode
from api.schemas.watching import WatchAnswer, WatchBody, WatchList
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.watching.watches import Watch
from shared.store import watched, watches
from shared.store.engine import Session
from shared.store.watched import Counts, Fits

router = APIRouter(tags=["watches"])

_DOCUMENT = msgspec.json.Decoder()


@router.get("/watches", **operation(WatchList, scope=Scope.READ))
def list_watches(services: ServicesOf, caller: CallerOf) -> Response:
    """List the watches, ordered by name."""
    with services.sessions.begin() as session:
        visible = [watch for watch in watches.read(session) if caller.sees(watch.prefix)]
        counts = watched.counts(session, caller.series_prefix)
        fits = watched.fits(session, [watch.name for watch in visible])
    listed = [
        WatchAnswer.of(watch, counts.get(watch.name, Counts()), fits.get(watch.name, Fits())) for watch in visible
    ]
    return answer(WatchList(listed))


@router.get("/watches/{name}", **operation(WatchAnswer, scope=Scope.READ))
def get_watch(services: ServicesOf, caller: CallerOf, name: WatchName) -> Response:
    """Return one watch with all its fields."""
    with services.sessions.begin() as session:
        return _answered(session, find_watch(session, caller, name))


@router.put("/watches/{name}", **operation(WatchAnswer, scope=Scope.ADMIN, body=WatchBody))
def put_watch(services: ServicesOf, caller: CallerOf, name: WatchName, content: Content) -> Response:
    """Create or change a watch. It applies from the next points on; each series has the watch with the longest prefix.

    A field that is missing gets its default. Doing so again changes nothing.
    """
    watch = applying.check_watch(services.settings, caller, name, decode(_DOCUMENT, content))
    with services.sessions.begin() as session:
        applying.make_room(session, caller, watch)
        applying.store_watch(session, watch)
    services.ingest.rulebook.again()
    with services.sessions.begin() as session:
        return _answered(session, watches.find(session, name))


@router.delete("/watches/{name}", **operation(None, scope=Scope.ADMIN, status=204))
def delete_watch(services: ServicesOf, caller: CallerOf, name: WatchName) -> Response:
    """Delete a watch and close its alerts. Points of its series are still stored and judged."""
    with services.sessions.begin() as session:
        find_watch(session, caller, name)
        applying.delete_watch(session, name)
    services.ingest.rulebook.again()
    return Response(status_code=204)


@router.post("/watches/{name}/pause", **operation(WatchAnswer, scope=Scope.ADMIN))
def pause_watch(services: ServicesOf, caller: CallerOf, name: WatchName) -> Response:
    """Pause a watch: points are stored and judged, but nothing opens, and no fit is requested."""
    return _paused(services, caller, name, paused=True)


@router.post("/watches/{name}/resume", **operation(WatchAnswer, scope=Scope.ADMIN))
def resume_watch(services: ServicesOf, caller: CallerOf, name: WatchName) -> Response:
    """Resume a paused watch."""
    return _paused(services, caller, name, paused=False)


def _paused(services: Services, caller: Caller, name: str, *, paused: bool) -> Response:
    with services.sessions.begin() as session:
        find_watch(session, caller, name)
        watches.pause(session, name, paused=paused)
    services.ingest.rulebook.again()
    with services.sessions.begin() as session:
        return _answered(session, watches.find(session, name))


def _answered(session: Session, watch: Watch) -> Response:
    counts = watched.counts(session, watch.prefix).get(watch.name, Counts())
    return answer(WatchAnswer.of(watch, counts, watched.fits(session, [watch.name]).get(watch.name, Fits())))
