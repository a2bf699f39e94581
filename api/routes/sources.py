"""Sources: configure and list where points come from by themselves."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.dependencies import CallerOf, Content, ServicesOf, answer
from api.openapi import operation
from api.schemas.decoding import decode
from api.schemas.sources import SourceAnswer, SourceBody, SourceList
from shared.domain.access import Caller, Scope
from shared.domain.watching.sources import DAY_S, check_source_name, parse
from shared.errors import AccessError, Code
from shared.store import sources
from shared.store.engine import Session
from shared.store.sources import StoredSource

router = APIRouter(tags=["sources"])

MAX_COLLISIONS = 20
_DOCUMENT = msgspec.json.Decoder()


def _everywhere(caller: CallerOf) -> Caller:
    if caller.series_prefix:
        raise AccessError(
            Code.FORBIDDEN, f"Sources need a key without a prefix; this key sees only {caller.series_prefix!r}."
        )
    return caller


Unrestricted = Annotated[Caller, Depends(_everywhere)]


def _name(_caller: Unrestricted, name: str) -> str:
    return check_source_name(name)


Name = Annotated[str, Depends(_name)]


@router.get("/sources", **operation(SourceList, scope=Scope.ADMIN))
def list_sources(services: ServicesOf, _caller: Unrestricted) -> Response:
    """List the sources, ordered by name."""
    with services.sessions.begin() as session:
        return answer(SourceList([_described(session, stored) for stored in sources.read(session)]))


@router.get("/sources/{name}", **operation(SourceAnswer, scope=Scope.ADMIN))
def get_source(services: ServicesOf, name: Name) -> Response:
    """Return one source with all its fields, the number of its series, and ids that two of them want."""
    with services.sessions.begin() as session:
        return answer(_described(session, sources.find(session, name)))


@router.put("/sources/{name}", **operation(SourceAnswer, scope=Scope.ADMIN, body=SourceBody))
def put_source(services: ServicesOf, name: Name, content: Content) -> Response:
    """Create or change a source. Doing so again changes nothing.

    With the kind `remote_write`, it selects series that Prometheus sends to `POST /api/v1/write`.
    """
    document = decode(_DOCUMENT, content)
    source = parse(name, document, max_history_s=int(services.settings.keep_points_days * DAY_S))
    with services.sessions.begin() as session:
        sources.put(session, source)
    services.ingest.rulebook.again()
    with services.sessions.begin() as session:
        return answer(_described(session, sources.find(session, name)))


@router.delete("/sources/{name}", **operation(None, scope=Scope.ADMIN, status=204))
def delete_source(services: ServicesOf, name: Name) -> Response:
    """Delete a source. The stored points of its series stay."""
    with services.sessions.begin() as session:
        sources.find(session, name)
        sources.delete(session, name)
    services.ingest.rulebook.again()
    return Response(status_code=204)


def _described(session: Session, stored: StoredSource) -> SourceAnswer:
    name = stored.source.name
    return SourceAnswer.of(
        stored, sources.count_series(session, name), sources.collisions(session, name, MAX_COLLISIONS)
    )
