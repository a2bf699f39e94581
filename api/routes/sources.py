"""Sources: configure and list where points come from by themselves."""

import asyncio
import time
import uuid
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.applying.sources import check_caller, check_source
from api.dependencies import CallerOf, Content, Limit, ServicesOf, answer
from api.openapi import operation
from api.schemas.decoding import decode
from api.schemas.sources import RunAnswer, RunList, SourceAnswer, SourceBody, SourceList, TestAnswer
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.watching.sources import SourceKind, check_source_name
from shared.errors import Code, InputError, UnavailableError
from shared.store import fetching, sources
from shared.store.engine import Session
from shared.store.sources import StoredSource

router = APIRouter(tags=["sources"])

MAX_COLLISIONS = 20
TEST_WITHIN_S, TEST_POLL_S = 20.0, 0.1
_DOCUMENT = msgspec.json.Decoder()


def _everywhere(caller: CallerOf) -> Caller:
    check_caller(caller)
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

    With the kind `remote_write`, it selects series that Prometheus sends to `POST /api/v1/write`. With the kind
    `prometheus`, its queries are fetched every `every`, and once the history.
    """
    source = check_source(services.settings, name, decode(_DOCUMENT, content))
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


@router.get("/sources/{name}/runs", **operation(RunList, scope=Scope.ADMIN))
def source_runs(services: ServicesOf, name: Name, limit: Limit = 20) -> Response:
    """List the newest runs of a source of the kind `prometheus`."""
    with services.sessions.begin() as session:
        sources.find(session, name)
        return answer(RunList([RunAnswer.of(run) for run in fetching.runs(session, name, limit)]))


@router.post("/sources/{name}/test", **operation(TestAnswer, scope=Scope.ADMIN))
async def test_source(services: ServicesOf, name: Name, content: Content) -> Response:
    """Show the first 20 series that a source of the kind `prometheus` has now, and store nothing.

    The body may have the document of a source that does not exist yet.
    """
    test_id = str(uuid.uuid4())
    await services.lanes.requests(_request_test, services, name, content, test_id)
    deadline = time.monotonic() + TEST_WITHIN_S
    while time.monotonic() < deadline:
        if result := await services.lanes.requests(_result, services, test_id):
            return answer(msgspec.convert(result, TestAnswer))
        await asyncio.sleep(TEST_POLL_S)
    sentence = f"No outbound process tried the source within {TEST_WITHIN_S:g} s. Check that one runs, and its log."
    raise UnavailableError(Code.OUTBOUND_SILENT, sentence, retry_after_s=5)


def _request_test(services: Services, name: str, content: bytes, test_id: str) -> None:
    with services.sessions.begin() as session:
        if content.strip():
            source = check_source(services.settings, name, decode(_DOCUMENT, content))
        else:
            source = sources.find(session, name).source
        if source.kind != SourceKind.PROMETHEUS:
            sentence = "Only a source of the kind prometheus can be tried: the others send by themselves."
            raise InputError(Code.INVALID_SOURCE, sentence)
        fetching.request_test(session, test_id, source.document())


def _result(services: Services, test_id: str) -> dict[str, Any] | None:
    with services.sessions.begin() as session:
        return fetching.test_result(session, test_id)


def _described(session: Session, stored: StoredSource) -> SourceAnswer:
    name = stored.source.name
    return SourceAnswer.of(
        stored, sources.count_series(session, name), sources.collisions(session, name, MAX_COLLISIONS)
    )
