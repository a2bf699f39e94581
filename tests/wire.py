"""Raw bytes on a socket, for requests that no HTTP client would send."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from typing import Any

import httpx


@dataclass(frozen=True)
class Reply:
    """A response."""

    status: int
    headers: Message
    body: bytes

    @property
    def problem(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection to the server."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def head(self, method: str, path: str, **headers: object) -> None:
        """Send a request's head; underscores in header names become dashes."""
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode("latin-1"))

    def chunk(self, part: bytes) -> None:
        """Send a part of a chunked body; an empty one ends it."""
        self.send(b"%x\r\n%s\r\n" % (len(part), part))

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def reply(self, method: str = "POST") -> Reply:
        answer = HTTPResponse(self.connection, method=method)
        try:
            answer.begin()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            answer.close()


@contextmanager
def wired(api: httpx.Client, timeout_s: float = 20) -> Iterator[Wire]:
    """A connection to the server that the client talks to."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout_s) as connection:
        yield Wire(connection)
