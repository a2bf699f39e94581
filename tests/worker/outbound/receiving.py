"""A receiver: a real HTTP server that keeps what arrives, and answers as a test says."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ReceivingServer:
    """What arrived, and the answers to give."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # of the next requests; then 204
    respond: Callable[[Received], int] | None = None  # returns the status instead, and may take its time

    @property
    def types(self) -> list[str]:
        return [request.json["type"] for request in self.received]


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[ReceivingServer]:
    """Serve on loopback until the block ends."""
    state = ReceivingServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, body)
            state.received.append(request)
            status, extra = state.answers.pop(0) if state.answers else (204, {})
            if state.respond:
                status = state.respond(request)
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client may leave during the handshake
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
