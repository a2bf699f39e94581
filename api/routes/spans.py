"""Marked spans of time: maintenance, in which no alert opens, and what fits must not learn from."""

from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import CallerOf, Content, SeriesId, ServicesOf, answer
from api.openapi import operation
from api.schemas.decoding import decode
from api.schemas.times import timestamp_of
from api.schemas.watching import KINDS_OF_SPANS, PrefixSpanBody, SpanAnswer, SpanBody, SpanList
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.series import check_series_id
from shared.domain.watching.watches import is_prefix
from shared.errors import Code, Flaw, InputError, NotFoundError
from shared.store import spans
from shared.store.spans import Span

router = APIRouter(tags=["watches"])

MAX_SPANS = 1_000
MAX_NOTE = 500
_FOREVER = 2**62
_BODY = msgspec.json.Decoder(SpanBody)
_PREFIX_BODY = msgspec.json.Decoder(PrefixSpanBody)


@router.post("/series/{series_id}/spans", **operation(SpanAnswer, scope=Scope.WRITE, status=201, body=SpanBody))
def mark_series(services: ServicesOf, caller: CallerOf, series_id: SeriesId, content: Content) -> Response:
    """Mark a span of a series. Later fits of stored points do not learn from it; in a maintenance, no alert opens."""
    return _created(services, caller, decode(_BODY, content), series_id=series_id)


@router.post("/spans", **operation(SpanAnswer, scope=Scope.WRITE, status=201, body=PrefixSpanBody))
def mark_prefix(services: ServicesOf, caller: CallerOf, content: Content) -> Response:
    """Mark a span of all series whose ids begin with a prefix."""
    body = decode(_PREFIX_BODY, content)
    if not is_prefix(body.prefix):
        raise _invalid("prefix", "must be 0 to 128 letters, digits, dots, dashes and underscores")
    if not caller.sees(body.prefix):
        raise _invalid("prefix", f"must begin with {caller.series_prefix!r}, like every series that this key sees")
    return _created(services, caller, body, prefix=body.prefix)


@router.get("/spans", **operation(SpanList, scope=Scope.READ))
def list_spans(
    services: ServicesOf,
    caller: CallerOf,
    series_id: Annotated[str | None, Query(description="Only spans of this series, also by its prefix")] = None,
) -> Response:
    """List the marked spans, the latest first."""
    with services.sessions.begin() as session:
        if series_id is None:
            found = spans.newest(session, MAX_SPANS)
        else:
            found = spans.of_series(session, check_series_id(series_id), 0, _FOREVER)
    visible = [span for span in found if _sees(caller, span, series_id)]
    return answer(SpanList([SpanAnswer.of(span) for span in visible]))


@router.delete("/spans/{span_id}", **operation(None, scope=Scope.WRITE, status=204))
def delete_span(services: ServicesOf, caller: CallerOf, span_id: str) -> Response:
    """Delete a marked span. Fits that left it out stay as they are."""
    with services.sessions.begin() as session:
        span = spans.find(session, _id(span_id))
        if span is None or not _sees(caller, span, None):
            raise _not_found()
        spans.delete(session, span.id)
    services.ingest.rulebook.again()
    return Response(status_code=204)


def _created(
    services: Services, caller: Caller, body: SpanBody, series_id: str | None = None, prefix: str | None = None
) -> Response:
    if body.kind not in KINDS_OF_SPANS:
        raise _invalid("kind", f"must be one of {', '.join(KINDS_OF_SPANS)}")
    if len(body.note) > MAX_NOTE or "\x00" in body.note:
        raise _invalid("note", f"must be text of at most {MAX_NOTE} characters")
    start, end = _timestamp("from", body.from_), _timestamp("to", body.to)
    if start > end:
        raise _invalid("to", "must not be earlier than from")
    span = Span(str(uuid4()), series_id, prefix, start, end, body.kind, body.note, caller.key_id)
    with services.sessions.begin() as session:
        spans.create(session, span)
        created = spans.find(session, span.id) or span
    services.ingest.rulebook.again()
    return answer(SpanAnswer.of(created), 201)


def _sees(caller: Caller, span: Span, series_id: str | None) -> bool:
    """Whether the caller sees the span: through the series that it asked for, or as a whole."""
    if series_id is not None:
        return caller.sees(series_id.strip())
    return caller.sees(span.series_id if span.prefix is None else span.prefix)  # type: ignore[arg-type] # one of them is set


def _timestamp(name: str, written: int | str) -> int:
    try:
        return timestamp_of(written)
    except ValueError as error:
        raise _invalid(name, str(error)) from None


def _id(span_id: str) -> str:
    try:
        return str(UUID(span_id))
    except ValueError:
        raise _not_found() from None


def _invalid(name: str, reason: str) -> InputError:
    return InputError(Code.INVALID_SPAN, f"The span is invalid: {name} {reason}.", flaws=[Flaw((name,), reason)])


def _not_found() -> NotFoundError:
    return NotFoundError(Code.SPAN_NOT_FOUND, "There is no span with this id. GET /spans lists all.")
