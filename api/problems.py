"""Errors as RFC 9457 problems: one table of statuses and titles, one body, and no echo of the input."""

import logging
from collections.abc import Mapping

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.matching import SENDERS, methods_at, path_of
from api.pages import render
from api.schemas import problems as schemas
from api.schemas.problems import Problem
from shared.errors import MAX_FLAWS, Code, Flaw, TsadError
from shared.logs import Sparing, shortened

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
REFUSED = frozenset({401, 403, 408, 413, 421, 429, 431})  # responses to guessed keys, floods and probes

_refusals = Sparing("refused requests, which tsad_refusals_total counts,")

STATUS: Mapping[Code, tuple[int, str]] = {
    Code.INVALID_JSON: (422, "Invalid JSON"),
    Code.INVALID_REQUEST: (422, "Invalid request"),
    Code.INVALID_ENCODING: (415, "Invalid content encoding"),
    Code.MALFORMED_REQUEST: (400, "Malformed request"),
    Code.HEAD_TOO_LARGE: (431, "Request head too large"),
    Code.BODY_TOO_LARGE: (413, "Request body too large"),
    Code.BODY_TOO_SLOW: (408, "Request body too slow"),
    Code.UNKNOWN_HOST: (421, "Unknown host"),
    Code.METHOD_NOT_ALLOWED: (405, "Method not allowed"),
    Code.ROUTE_NOT_FOUND: (404, "Route not found"),
    Code.UNAUTHENTICATED: (401, "Authentication required"),
    Code.FORBIDDEN: (403, "Missing scope"),
    Code.FOREIGN_ORIGIN: (403, "Cross-site request"),
    Code.RATE_LIMITED: (429, "Rate limit exceeded"),
    Code.INVALID_SERIES_ID: (422, "Invalid series id"),
    Code.INVALID_VERSION: (422, "Invalid version"),
    Code.INVALID_CURSOR: (422, "Invalid cursor"),
    Code.SERIES_NOT_FOUND: (404, "Series not found"),
    Code.VERSION_NOT_FOUND: (404, "Version not found"),
    Code.JOB_NOT_FOUND: (404, "Job not found"),
    Code.LENGTHS_DIFFER: (422, "Column length mismatch"),
    Code.TOO_FEW_POINTS: (422, "Too few points"),
    Code.TOO_MANY_POINTS: (422, "Too many points"),
    Code.INVALID_TIMESTAMP: (422, "Invalid timestamp"),
    Code.TIMESTAMPS_NOT_INCREASING: (422, "Timestamps not increasing"),
    Code.NOT_FINITE: (422, "Non-finite value"),
    Code.VALUES_TOO_LARGE: (422, "Values too large"),
    Code.CONSTANT_SERIES: (422, "Constant series"),
    Code.UNKNOWN_DETECTOR: (422, "Unknown detector"),
    Code.UNKNOWN_PARAMETER: (422, "Unknown parameter"),
    Code.INVALID_PARAMETER: (422, "Invalid parameter"),
    Code.CONTEXT_REQUIRED: (422, "Context required"),
    Code.TIME_NOT_LEARNED: (422, "Time not learned"),
    Code.TOO_NEW: (422, "Point too new"),
    Code.TOO_OLD: (422, "Point too old"),
    Code.SERIES_LIMIT: (422, "Too many series"),
    Code.STREAM_BUSY: (503, "Stream busy"),
    Code.STREAM_NOT_FOUND: (404, "No stored points"),
    Code.INVALID_WATCH: (422, "Invalid watch"),
    Code.WATCH_NOT_FOUND: (404, "Watch not found"),
    Code.PREFIX_TAKEN: (409, "Prefix taken"),
    Code.INVALID_CONFIGURATION: (422, "Invalid configuration file"),
    Code.INVALID_SPAN: (422, "Invalid span"),
    Code.SPAN_NOT_FOUND: (404, "Span not found"),
    Code.ALERT_NOT_FOUND: (404, "Alert not found"),
    Code.INVALID_SOURCE: (422, "Invalid source"),
    Code.SOURCE_NOT_FOUND: (404, "Source not found"),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "Unsupported media type"),
    Code.POINTS_REFUSED: (400, "Points refused"),
    Code.OUTBOUND_SILENT: (503, "No outbound process"),
    Code.SERIES_ID_TAKEN: (422, "Series id taken"),
    Code.INVALID_RECEIVER: (422, "Invalid receiver"),
    Code.UNKNOWN_RECEIVER: (422, "Unknown receiver"),
    Code.RECEIVER_NOT_FOUND: (404, "Receiver not found"),
    Code.RECEIVER_IN_USE: (409, "Receiver in use"),
    Code.RECEIVER_DISABLED: (409, "Receiver disabled"),
    Code.NO_SECRET: (409, "Receiver without a secret"),
    Code.DELIVERY_NOT_FOUND: (404, "Delivery not found"),
    Code.QUEUE_FULL: (429, "Queue full"),
    Code.IDEMPOTENCY_KEY_REUSED: (422, "Idempotency key reused"),
    Code.TOO_MANY_LINES: (422, "Too many lines"),
    Code.JOB_FINISHED: (409, "Job already finished"),
    Code.JOB_NOT_RETRYABLE: (409, "Job not retryable"),
    Code.DATA_GONE: (410, "Training data deleted"),
    Code.TOO_MANY_STREAMS: (429, "Too many event streams"),
    Code.VERSION_PINNED: (409, "Pinned version"),
    Code.FIT_FAILED: (500, "Fit failed"),
    Code.FIT_TIMEOUT: (500, "Fit timeout"),
    Code.OUT_OF_MEMORY: (500, "Out of memory"),
    Code.WORKER_LOST: (500, "Worker lost"),
    Code.OVERLOADED: (503, "Service overloaded"),
    Code.DATABASE_UNAVAILABLE: (503, "Database unavailable"),
    Code.STORE_UNAVAILABLE: (503, "Artifact store unavailable"),
    Code.OUTCOME_UNKNOWN: (503, "Unknown outcome"),
    Code.ACCEPT_TOO_LATE: (503, "Acceptance timeout"),
    Code.ARTIFACT_DAMAGED: (500, "Damaged artifact"),
    Code.INTERNAL_ERROR: (500, "Internal error"),
    Code.CONFIGURATION: (500, "Invalid configuration"),
    Code.START_FAILED: (500, "Start failed"),
    Code.API_UNREACHABLE: (500, "API unreachable"),
    Code.INVALID_FILE: (422, "Invalid file"),
}

# Prometheus sends a request again only after 5xx, and drops its samples after any other error. Telegraf sends again
# after 5xx and 429, and in parts after 413. So what may succeed later gets 503, and what may succeed in parts 413.
FOR_SENDERS: Mapping[Code, int] = {Code.BODY_TOO_SLOW: 503, Code.RATE_LIMITED: 503, Code.TOO_MANY_POINTS: 413}


def problem(error: TsadError, request_id: str, status: int | None = None) -> Problem:
    """Return the problem's body, with at most `MAX_FLAWS` flaws. status: instead of the usual one."""
    usual, title = STATUS[error.code]
    return Problem(
        type=f"urn:tsad:problem:{error.code}",
        title=title,
        status=status or usual,
        detail=error.detail,
        code=error.code,
        request_id=request_id,
        errors=[schemas.Flaw(list(flaw.loc), flaw.msg) for flaw in error.flaws[:MAX_FLAWS]],
    )


def response(error: TsadError, request_id: str, status: int | None = None) -> Response:
    """Return the problem as a JSON response."""
    body = problem(error, request_id, status)
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s is not None else {}
    if body.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), body.status, headers, MEDIA_TYPE)


def refusal(error: TsadError, request: Request) -> Response:
    """Return the problem as a JSON response, or as a page for browsers.

    Server errors are logged; refusals that may be part of an attack are counted as security events.
    """
    answer = _answer(request, error)
    if STATUS[error.code][0] in REFUSED:
        security_event(request, error.code)
    elif answer.status_code >= 500:
        path = shortened(request.scope["path"])
        logger.warning("%s: %s: %s: %s", request_id_of(request), path, error.code, error.detail)
    return answer


async def refuse(error: TsadError, scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the refusal, from middleware that does not pass the request on."""
    await refusal(error, Request(scope))(scope, receive, send)


def security_event(request: Request, code: Code) -> None:
    """Count a refused request, and log it unless there are many.

    A rising count means guessed keys or a broken client.
    """
    request.app.state.services.metrics.refusals.labels(code).inc()
    if not logger.isEnabledFor(logging.INFO) or not _refusals.allows(logger):
        return
    client = request.client.host if request.client else "unknown"
    path = shortened(request.scope["path"])
    logger.info("%s: %s %s from %s refused: %s", request_id_of(request), request.method, path, client, code)


def page(request: Request, error: TsadError) -> Response:
    """Return the problem as an HTML page."""
    body = problem(error, request_id_of(request))
    return render(request, "problem.html", status_code=body.status, problem=body)


def wants_page(request: Request) -> bool:
    """Whether a browser navigates here and needs an HTML page."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def install(app: FastAPI) -> None:
    """Register handlers that turn every error into a problem."""
    app.add_exception_handler(TsadError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def unexpected() -> TsadError:
    """Return the error for an unexpected exception, without details for the client."""
    return TsadError(Code.INTERNAL_ERROR, "An unexpected error occurred. The log has the cause under this request id.")


def request_id_of(request: Request) -> str:
    """Return the id of the request; empty if the `RequestId` slot has not run."""
    return str(getattr(request.state, "request_id", ""))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, TsadError)  # noqa: S101 - the handler is registered for this type
    return refusal(error, request)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    flaws = [
        Flaw(tuple(flaw["loc"]), str(flaw["msg"]).removeprefix("Value error, ")) for flaw in error.errors()[:MAX_FLAWS]
    ]
    return _answer(
        request, TsadError(Code.INVALID_REQUEST, "A parameter is missing or invalid: see errors.", flaws=flaws)
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 405:
        translated = TsadError(
            Code.METHOD_NOT_ALLOWED, "This route does not support this method. The Allow header lists its methods."
        )
    elif error.status_code == 404:
        translated = TsadError(Code.ROUTE_NOT_FOUND, "There is no route with this path. See /docs.")
    else:
        translated = TsadError(Code.INVALID_REQUEST, "The request cannot be read.")
    answer = _answer(request, translated)
    answer.headers.update(error.headers or {})
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(methods_at(request.scope))
    return answer


def _answer(request: Request, error: TsadError) -> Response:
    if wants_page(request):
        return page(request, error)
    status = FOR_SENDERS.get(error.code) if path_of(request.scope) in SENDERS else None
    return response(error, request_id_of(request), status)
