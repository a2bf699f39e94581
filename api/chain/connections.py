"""Limits that apply before a request's body: number of connections, and size and duration of a request's head.

Uvicorn itself does not limit a head: it buffers the head until it is complete.
"""

from asyncio import TimerHandle, Transport
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.chain.headers import DEFAULTS
from api.problems import STATUS, response
from shared.errors import BusyError, Code, InputError, TsadError

WHOLE_BODY = "tsad.whole_body"  # ASGI extension of a request whose body has arrived completely; `bytes` is its size
MAX_HEAD_BYTES = 64 * 1024  # of an incomplete head, checked after each read
HEAD_WITHIN_S = 10.0


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    _max_connections: int | None = None
    _reading_head = True
    _head_bytes = 0
    _last_read_bytes = 0
    _head_deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Accept the connection, or answer 503 and close it if too many are open."""
        super().connection_made(transport)
        self._max_connections = self.limit_concurrency
        self.limit_concurrency = None  # otherwise Uvicorn would refuse with a plain-text response
        if self._max_connections is not None and len(self.connections) > self._max_connections:
            self._refuse(
                BusyError(
                    Code.OVERLOADED,
                    "Too many connections are open (MAX_CONNECTIONS). Try again in 5 seconds.",
                    retry_after_s=5,
                )
            )
        else:
            self._start_head_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline of a head that will not be completed."""
        self._cancel_head_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the received bytes; answer 431 and close the connection if a head exceeds its limit."""
        if self.transport.is_closing():
            return
        self._last_read_bytes = len(data)
        super().data_received(data)
        if not self._reading_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            sentence = f"The request line and headers are larger than {MAX_HEAD_BYTES:,} bytes."
            self._refuse(InputError(Code.HEAD_TOO_LARGE, sentence))
        elif self._head_deadline is None:
            self._start_head_deadline()

    def on_message_begin(self) -> None:
        """Start counting the bytes of a head.

        The head may follow the body of the previous request within one read. That body does not count: subtracting the
        size of the read here offsets the addition in `data_received`.
        """
        self._head_bytes = 0 if self._reading_head else -self._last_read_bytes
        self._reading_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Cancel the deadline of the head, which is complete."""
        self._reading_head = False
        self._cancel_head_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Mark a request whose body has arrived completely.

        This often happens before the application handles the request, and then `Limits` can skip small bodies.
        """
        if self.cycle is not None:
            self.scope["extensions"] = {WHOLE_BODY: {"bytes": len(self.cycle.body)}}
        super().on_message_complete()

    def _start_head_deadline(self) -> None:
        self._head_deadline = self.loop.call_later(HEAD_WITHIN_S, self.transport.close)

    def _cancel_head_deadline(self) -> None:
        if self._head_deadline:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _refuse(self, error: TsadError) -> None:
        answer = response(error, "")
        status = STATUS[error.code][0]
        headers = {**DEFAULTS, **answer.headers, "Connection": "close"}
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {headers[name]}" for name in headers)]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + bytes(answer.body))
        self.transport.close()
