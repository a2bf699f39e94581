"""A port in front of Redis that forwards, hangs or refuses, which the processes must survive."""

import select
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from shared.embedded.ports import LOCALHOST, free_port


class Gateway:
    """A port that forwards to Redis when `open`, accepts and never answers when `silent`, and refuses when `shut`."""

    def __init__(self, redis_url: str) -> None:
        target = urlsplit(redis_url)
        self._target = (target.hostname or "", target.port or 6379)
        self._address = (LOCALHOST, free_port())
        self.url = target._replace(
            netloc=f"{target.netloc.rpartition('@')[0]}@127.0.0.1:{self._address[1]}".lstrip("@")
        ).geturl()
        self._listening: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def silent(self) -> None:
        """Accept connections and never answer."""
        self._listening = socket.create_server(self._address)

    def open(self) -> None:
        """Forward every caller to Redis, including those already connected."""
        if self._listening is None:
            self.silent()
        self._start(self._accept)

    def shut(self) -> None:
        """Close every connection and refuse new ones."""
        if self._listening is not None:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            _hang_up(connection)
        for thread in self._threads:
            thread.join()
        if self._listening is not None:
            self._listening.close()
        for connection in self._connections:
            connection.close()
        self._listening, self._connections, self._threads = None, [], []

    def has_caller(self) -> bool:
        """Whether a caller is waiting to be accepted."""
        return self._listening is not None and bool(select.select([self._listening], [], [], 0)[0])

    def _accept(self) -> None:
        assert self._listening is not None
        with suppress(OSError):
            while True:
                caller = self._listening.accept()[0]
                server = socket.create_connection(self._target)
                self._connections += [caller, server]
                self._start(_pump, caller, server)
                self._start(_pump, server, caller)

    def _start(self, target: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _hang_up(source)
    _hang_up(sink)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
