"""The chain of middleware that every request passes, from headers and request id to the route.

All of it is pure ASGI: `BaseHTTPMiddleware` would cost two thirds of the throughput of small requests.
"""

import logging
import re
import time
from collections.abc import Awaitable
from random import getrandbits

from prometheus_client import Counter, Histogram
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from api.chain.authentication import READS, Authentication
from api.chain.bodies import CONTENT, SMALL_BYTES, Budget, LimitedBody, Pace, too_large
from api.chain.connections import WHOLE_BODY
from api.chain.headers import Headers, TrustedHosts
from api.chain.prefixes import Prefix
from api.chain.rates import Rate
from api.chain.tracing import Traced
from api.matching import path_of, route_of
from api.problems import refuse, response, unexpected
from shared.errors import Code, InputError, NotFoundError
from shared.logs import Sparing, shortened
from shared.metrics import Metrics
from shared.settings import Settings
from shared.telemetry import Kind
from shared.tracing import Tracing

logger = logging.getLogger(__name__)

CLIENT_WENT_AWAY = 499  # no response was sent; only the metrics show this status
MAX_QUERY_BYTES = 8 * 1024
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_failures = Sparing("failed or aborted requests")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def chain(settings: Settings, metrics: Metrics, tracing: Tracing | None = None) -> list[Middleware]:
    """Return the slots in their order. Each expects HTTP requests only, so `HttpOnly` comes before them."""
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=("GET", "POST", "PUT", "DELETE"),
        allow_headers=("Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key", "Prefer"),
        expose_headers=("Location", "Retry-After", "X-Request-ID"),
    )
    return [
        *([Middleware(Traced, tracing=tracing)] if tracing else []),
        Middleware(Headers, settings=settings),
        Middleware(RequestId),
        *([Middleware(Prefix, settings=settings)] if settings.root_path or settings.proxies else []),
        *([Middleware(TrustedHosts, settings=settings)] if settings.hosts else []),
        *([cross_origin] if settings.origins else []),
        Middleware(Limits, settings=settings),
        Middleware(Authentication, settings=settings),
        *([Middleware(Rate, settings=settings)] if settings.has_rates else []),
        Middleware(Telemetry, metrics=metrics),
    ]


class HttpOnly:
    """Middleware that routes lifespan events and WebSockets past the chain, straight to the router."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on; skip the chain for anything else."""
        app = self.app if scope["type"] == "http" else scope["app"].router
        await app(scope, receive, send)


class RequestId:
    """Middleware that gives every request an id and returns it in the response.

    A valid `X-Request-ID` of the client becomes the id. This slot also handles unexpected exceptions, because only here
    can both the log line and the response name the request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the id in its state; answer 500 to an unexpected exception."""
        state = scope.setdefault("state", {})
        request_id = state["request_id"] = _client_id(scope) or state.get("span") or f"{getrandbits(64):016x}"
        started = False

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            return send(message)

        bind_contextvars(request_id=request_id)  # only in the context of this request's task, and discarded with it
        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            if _failures.allows(logger):
                logger.info("%s: the client disconnected before its request was complete", request_id)
        except Exception:
            logger.exception("%s: %s %s failed", request_id, scope["method"], shortened(scope["path"]))
            if started:
                raise  # the server then aborts the response, so no client mistakes it for complete
            await response(unexpected(), request_id)(scope, receive, send_with_id)


class Limits:
    """Middleware that limits path, query string and body before anything parses them.

    It rejects control characters in paths, because route patterns accept a trailing line feed.

    For bodies, it limits the size, the expanded size, and the total size of all bodies of the process.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.max_bytes = settings.max_body_bytes
        self.unlimited_bytes = min(SMALL_BYTES, self.max_bytes)  # a complete body up to this size needs no limits
        self.budget = Budget(settings.max_body_bytes_in_flight, self.max_bytes)
        self.pace = Pace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a limited body, or reject it if its headers already exceed a limit."""
        if _CONTROL.search(scope["path"]):
            sentence = "The path contains a control character, such as %0A."
            await refuse(NotFoundError(Code.ROUTE_NOT_FOUND, sentence), scope, receive, send)
            return
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            sentence = f"The query string is larger than {MAX_QUERY_BYTES:,} bytes."
            await refuse(InputError(Code.HEAD_TOO_LARGE, sentence), scope, receive, send)
            return
        if scope["method"] in ("GET", "HEAD", "DELETE", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        arrived = scope.get("extensions", {}).get(WHOLE_BODY)
        if arrived and arrived["bytes"] <= self.unlimited_bytes and b"content-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if error := self._header_error(encoding, headers.get(b"content-length", b"0")):
            await refuse(error, scope, receive, send)
            return
        body = LimitedBody(receive, self.max_bytes, self.budget, self.pace, encoding)
        try:
            await self.app(scope, body.receive, send)
        finally:
            if content := scope["state"].get(CONTENT):
                await run_in_threadpool(content.clear)
            body.close()

    def _header_error(self, encoding: bytes, length: bytes) -> InputError | None:
        """Return the reason to reject a body by its headers alone; None if there is none."""
        if encoding not in (b"identity", b"gzip", b"snappy", b""):
            sentence = (
                "The Content-Encoding is not supported. Send the body as gzip, as a snappy block, or uncompressed."
            )
            return InputError(Code.INVALID_ENCODING, sentence)
        if length.isdigit() and int(length[:20]) > self.max_bytes:
            return too_large(self.max_bytes)
        return None


class Telemetry:
    """Middleware that counts and times all requests, and records predictions answered 2xx for /healthcheck too.

    It logs each request that may have changed something. Reads and predictions would drown these lines out, so they are
    logged only with LOG_LEVEL=DEBUG.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics
        self._bound: dict[tuple[object, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record its status and duration."""
        began = time.perf_counter()
        status = 500

        def send_recording_status(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self.app(scope, receive, send_recording_status)
        except ClientDisconnect:
            status = CLIENT_WENT_AWAY
            raise
        finally:
            elapsed_s = time.perf_counter() - began
            counter, histogram = self._bound_metrics(scope, status)
            counter.inc()
            histogram.observe(elapsed_s)
            predicted = path_of(scope).startswith("/predict")
            level = logging.DEBUG if predicted or scope["method"] in READS else logging.INFO
            if logger.isEnabledFor(level) and (status < 400 or _failures.allows(logger)):
                path = shortened(scope["path"])
                logger.log(level, "%s %s: %d in %.1f ms", scope["method"][:16], path, status, elapsed_s * 1000)
        if predicted and 200 <= status < 300:
            scope["app"].state.services.latencies.record(Kind.INFERENCE, elapsed_s * 1000)

    def _bound_metrics(self, scope: Scope, status: int) -> tuple[Counter, Histogram]:
        """Return counter and histogram of a route, method and status, bound once.

        Clients cannot add label values: all unknown methods share one value, and so do all unknown paths.
        """
        key = (scope.get("endpoint"), scope["method"] if scope["method"] in _METHODS else "other", status)
        if key not in self._bound:
            labels = (key[1], route_of(scope))
            self._bound[key] = (
                self.metrics.requests.labels(*labels, status),
                self.metrics.request_seconds.labels(*labels),
            )
        return self._bound[key]


def _client_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else None
    return None
