"""Watches: configure, list, pause and delete them."""

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import CallerOf, Content, ServicesOf, answer
from api.openapi import operation
from api.routes.finding import WatchName, find_watch
from api.schemas.decoding import decode
from api.schemas.watching import WatchAnswer, WatchBody, WatchList
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.watching.watches import Watch, parse
from shared.errors import Code, Flaw, InputError
from shared.store import alerts, receivers, watched, watches
from shared.store.engine import Session
from shared.store.watched import Counts, Fits

router = APIRouter(tags=["watches"])

DAY_S = 86_400
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
    document = decode(_DOCUMENT, content)
    watch = parse(name, document, max_window_s=services.settings.keep_points_days * DAY_S)
    if not caller.sees(watch.prefix):
        reason = f"must begin with {caller.series_prefix!r}, like every series that this key sees"
        raise InputError(Code.INVALID_WATCH, f"The prefix {reason}.", flaws=[Flaw(("prefix",), reason)])
    with services.sessions.begin() as session:
        _check_receivers(session, watch)
        if name in {existing.name for existing in watches.read(session) if not caller.sees(existing.prefix)}:
            raise watches.not_found()
        watches.put(session, watch)
    services.ingest.rulebook.again()
    with services.sessions.begin() as session:
        return _answered(session, watches.find(session, name))


@router.delete("/watches/{name}", **operation(None, scope=Scope.ADMIN, status=204))
def delete_watch(services: ServicesOf, caller: CallerOf, name: WatchName) -> Response:
    """Delete a watch and close its alerts. Points of its series are still stored and judged."""
    with services.sessions.begin() as session:
        find_watch(session, caller, name)
        alerts.close_of_watch(session, name)
        watches.delete(session, name)
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


def _check_receivers(session: Session, watch: Watch) -> None:
    if unknown := receivers.unknown(session, watch.notify.receivers):
        reason = f"names unknown receivers: {', '.join(unknown)}"
        raise InputError(
            Code.UNKNOWN_RECEIVER,
            f"The watch {reason}. Create them with PUT /receivers/NAME, or list them with GET /receivers."[:2_000],
            flaws=[Flaw(("notify", "receivers"), reason[:500])],
        )


def _answered(session: Session, watch: Watch) -> Response:
    counts = watched.counts(session, watch.prefix).get(watch.name, Counts())
    return answer(WatchAnswer.of(watch, counts, watched.fits(session, [watch.name]).get(watch.name, Fits())))
