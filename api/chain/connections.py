"""Limits that apply before a request's body: connections, the size of a head, and the time a client may stay silent.

Uvicorn itself limits neither a head, which it buffers until it is complete, nor the time that a client takes to send
the rest of a body after its response, or to read a response.
"""

import time
from asyncio import TimerHandle, Transport
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.chain.delivery import Delivery
from api.chain.headers import DEFAULTS
from api.problems import STATUS, response
from shared.errors import BusyError, Code, InputError, TsadError

WHOLE_BODY = "tsad.whole_body"  # ASGI extension of a request whose body has arrived completely; `bytes` is its size
METRICS = "metrics"  # in the state that the application gives to its connections
INCOMPLETE_HEAD, REPLACED = "incomplete_head", "connection_replaced"  # counted like the codes of refusals
MAX_HEAD_BYTES = 64 * 1024  # of the request line and headers, and of the trailers of a body
MAX_TARGET_BYTES = 16 * 1024  # of path and query string
MAX_HEADERS = 100
MAX_PIPELINED = 16  # requests that wait behind the one being answered
HEAD_WITHIN_S = 10.0
DRAIN_WITHIN_S = 2.0  # for the rest of a body after the response, so that clients can read a refusal
_PIECE_BYTES = 32 * 1024  # parsed at a time: 5,000 chunks of a body, or 1,000 pipelined requests
_BODY_PIECE_BYTES = 256 * 1024  # within a body whose length is known: one part of it, and `MAX_PIPELINED` requests


class _Flow(FlowControl):
    """Reads no more bytes while earlier ones are not parsed, even if the application is ready for more."""

    is_parsing = False

    def resume_reading(self) -> None:
        if not self.is_parsing:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """One connection of a client.

    Exactly one deadline runs while no request is being answered: for the first or next head, for the rest of a head,
    or for the rest of a body whose response is complete.
    """

    idle_since: float | None = 0.0  # by `time.monotonic`: the loop's clock counts only milliseconds; None while busy
    flow: _Flow
    _delivery: Delivery
    _deadline: TimerHandle | None = None
    _reading_head = False  # whether a head has begun and is not complete
    _timing_head = False  # whether the deadline is the one of this head
    _silent_bytes = 0  # since the piece in which the parser last reported a head or a part of a body
    _unparsed: bytes | memoryview = b""
    _rejected: TsadError | None = None  # for bytes that are parsed no further; sent after the pending responses

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Accept the connection. If too many are open, close the one that is idle longest, or else answer 503."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._delivery = Delivery(transport, self.loop)
        self.idle_since = time.monotonic()
        max_connections, self.limit_concurrency = self.limit_concurrency, None  # Uvicorn would refuse with plain text
        if max_connections is None or len(self.connections) <= max_connections or self._make_room():
            self._close_after(HEAD_WITHIN_S)
        else:
            self._refuse(_overloaded("Too many connections are busy (MAX_CONNECTIONS). Try again in 5 seconds.", 5))

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines."""
        self._cancel_deadline()
        self._delivery.close()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the received bytes; answer with a problem and close the connection if they exceed a limit."""
        if self._unparsed:
            self._unparsed = bytes(self._unparsed) + data
        else:
            self._parse(data)

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._reading_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Limit path and query string."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            raise _head_too_large(f"Path and query string are larger than {MAX_TARGET_BYTES:,} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Limit the number of headers, including the trailers of a body."""
        if len(self.headers) >= MAX_HEADERS:
            raise _head_too_large(f"The request has more than {MAX_HEADERS} headers.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Limit the complete head and the number of waiting requests, then start the request."""
        if self._silent_bytes > MAX_HEAD_BYTES // 2 and _size(self.headers) + len(self.url) > MAX_HEAD_BYTES:
            raise _head_too_large()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _overloaded("Too many requests on one connection wait for their responses.", 1)
        self._silent_bytes = 0
        self._reading_head = self._timing_head = False
        self.idle_since = None
        self._cancel_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that a part of a body arrived."""
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Mark a request whose body has arrived completely.

        This often happens before the application handles the request, and then `Limits` can skip small bodies.
        """
        self._silent_bytes = 0
        if self.cycle.response_complete:
            self.cycle.more_body = False
            self._close_after(self.timeout_keep_alive)
        else:
            self.scope["extensions"] = {WHOLE_BODY: {"bytes": len(self.cycle.body)}}
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the next request, or wait for it; if the body is incomplete, wait shortly for its end."""
        self.server_state.total_requests += 1
        self._delivery.watch()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self.idle_since = time.monotonic()
        if self._rejected:
            self._refuse(self._rejected)
        elif self.cycle.more_body:
            self._close_after(DRAIN_WITHIN_S)
        else:
            self._timing_head = self._reading_head
            self._close_after(HEAD_WITHIN_S if self._reading_head else self.timeout_keep_alive)

    def pause_writing(self) -> None:
        """Pause the application, and start to watch the client."""
        super().pause_writing()
        self._delivery.watch()

    def resume_writing(self) -> None:
        """Resume the application."""
        super().resume_writing()
        self._delivery.resume()

    def _parse(self, data: bytes | memoryview) -> None:
        """Parse a piece of the bytes, and the rest in later turns of the event loop."""
        if self._rejected or self.transport.is_closing():
            return
        size = _BODY_PIECE_BYTES if self._is_within_body else _PIECE_BYTES
        piece, self._unparsed = data, b""
        if len(data) > size:
            view = memoryview(data)
            piece, self._unparsed = view[:size], view[size:]
            self.flow.pause_reading()
            self.loop.call_soon(self._parse_rest)
        self.flow.is_parsing = bool(self._unparsed)
        self._silent_bytes += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:  # the bytes after it belong to a protocol that this server does not speak
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            self._reject(error.__context__ if isinstance(error.__context__, TsadError) else _malformed())
            return
        if self._silent_bytes > MAX_HEAD_BYTES:
            self._reject(_head_too_large())
        elif self._reading_head and not self._timing_head and self.idle_since is not None:
            self._timing_head = True
            self._close_after(HEAD_WITHIN_S)

    def _parse_rest(self) -> None:
        rest, self._unparsed = self._unparsed, b""
        self._parse(rest)
        if not self._unparsed and not self.pipeline and not self._is_full:
            self.flow.resume_reading()

    @property
    def _is_within_body(self) -> bool:
        """Whether the next bytes belong to a body without chunks."""
        if self._reading_head or self.idle_since is not None:
            return False
        return self.cycle.more_body and all(name != b"transfer-encoding" for name, _ in self.headers)

    @property
    def _is_full(self) -> bool:
        """Whether the application has yet to take so much of the body that it gets no more."""
        if self.idle_since is not None or self.cycle.response_complete:
            return False
        return len(self.cycle.body) > HIGH_WATER_LIMIT

    def _reject(self, error: TsadError) -> None:
        """Parse no further, and refuse once the requests before the rejected bytes are answered."""
        self._rejected, self._unparsed, self.flow.is_parsing = error, b"", False
        if self.idle_since is not None:
            self._refuse(error)
        elif self.cycle.more_body:  # the rejected bytes are a part of the last request, which will never be complete
            if self.pipeline:
                self.pipeline.popleft()
            elif self.cycle.response_started:
                self.transport.close()
            else:
                self._refuse(error)

    def _make_room(self) -> bool:
        """Close the connection that is idle longest; return False if all are busy."""
        others = [other for other in self.connections if isinstance(other, Connection) and other is not self]
        idle = [other for other in others if other.idle_since is not None and not other.transport.is_closing()]
        if not idle:
            return False
        min(idle, key=lambda other: other.idle_since or 0.0).transport.abort()
        self._count(REPLACED)
        return True

    def _close_after(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(seconds, self._close)

    def _cancel_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        if self._reading_head and not self._rejected:
            self._count(INCOMPLETE_HEAD)
        self.transport.close()
        self._delivery.watch()

    def _count(self, reason: str) -> None:
        if metrics := self.app_state.get(METRICS):
            metrics.refusals.labels(reason).inc()

    def _refuse(self, error: TsadError) -> None:
        self._rejected = error
        self._count(error.code)
        answer = response(error, "")
        status = STATUS[error.code][0]
        headers = {**DEFAULTS, **answer.headers, "Connection": "close"}
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {headers[name]}" for name in headers)]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + bytes(answer.body))
        self._close()


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    """Return the bytes of the headers in a request, with the colon, blank and line end of each."""
    return sum(len(name) + len(value) + 4 for name, value in headers)


def _head_too_large(
    detail: str = f"The request line and headers are larger than {MAX_HEAD_BYTES:,} bytes.",
) -> TsadError:
    return InputError(Code.HEAD_TOO_LARGE, detail)


def _malformed() -> TsadError:
    return InputError(Code.MALFORMED_REQUEST, "The request is not valid HTTP/1.1.")


def _overloaded(detail: str, retry_after_s: int) -> TsadError:
    return BusyError(Code.OVERLOADED, detail, retry_after_s=retry_after_s)
