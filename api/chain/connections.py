"""Bounds on what comes before a body: how many connections there are, how large a request's head is, how long it takes.

The server has no bounds of its own here: it keeps what arrives of a head until the head is complete, however long.
"""

from asyncio import TimerHandle, Transport
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.chain.headers import DEFAULTS
from api.problems import STATUS, response
from shared.errors import BusyError, Code, InputError, TsadError

WHOLE_BODY = "tsad.whole_body"  # among a request's extensions: all of its body is here, so many `bytes`
MOST_HEAD_BYTES = 64 * 1024  # and what is read at a time
HEAD_WITHIN_S = 10.0


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    _most: int | None = None  # connections
    _reading_head = True
    _head_bytes = 0
    _part = 0  # bytes that were read last
    _too_late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Let the client in, unless there are too many."""
        super().connection_made(transport)
        self._most, self.limit_concurrency = self.limit_concurrency, None  # or the server refuses in its own words
        if self._most is not None and len(self.connections) > self._most:
            self._refuse(BusyError(Code.OVERLOADED, "Too many connections are open. Try again.", retry_after_s=5))
        else:
            self._hurry()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._relax()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; refuse a head that has no end."""
        if self.transport.is_closing():
            return
        self._part = len(data)
        super().data_received(data)
        if not self._reading_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES:
            sentence = f"Address and headers of a request are larger than {MOST_HEAD_BYTES:,} bytes."
            self._refuse(InputError(Code.HEAD_TOO_LARGE, sentence))
        elif self._too_late is None:
            self._hurry()

    def on_message_begin(self) -> None:
        """A request begins, perhaps behind the body of another in the same part: that one is not counted."""
        self._head_bytes = 0 if self._reading_head else -self._part
        self._reading_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._reading_head = False
        self._relax()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of a request is here, often before anybody has looked at it: then nobody need watch its body arrive."""
        if self.cycle is not None:
            self.scope["extensions"] = {WHOLE_BODY: {"bytes": len(self.cycle.body)}}
        super().on_message_complete()

    def _hurry(self) -> None:
        self._too_late = self.loop.call_later(HEAD_WITHIN_S, self.transport.close)

    def _relax(self) -> None:
        if self._too_late:
            self._too_late.cancel()
            self._too_late = None

    def _refuse(self, error: TsadError) -> None:
        answer = response(error, "")
        status = STATUS[error.code][0]
        headers = {**DEFAULTS, **answer.headers, "Connection": "close"}
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {headers[name]}" for name in headers)]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + bytes(answer.body))
        self.transport.close()
