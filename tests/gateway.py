"""A port in front of a server that forwards, hangs or refuses, which the processes must survive."""

import select
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from shared.embedded.ports import LOCALHOST, free_port


class Gateway:
    """A port that forwards when `open`, accepts and never answers when `silent`, and refuses when `shut`.

    `freeze` keeps its connections but forwards nothing, like a server that is stopped.
    """

    def __init__(self, server_url: str) -> None:
        target = urlsplit(server_url)
        self._target = (target.hostname or "", target.port or 6379)
        self._address = (LOCALHOST, free_port())
        self.url = target._replace(
            netloc=f"{target.netloc.rpartition('@')[0]}@127.0.0.1:{self._address[1]}".lstrip("@")
        ).geturl()
        self._listening: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._forwards = threading.Event()
        self._forwards.set()

    def silent(self) -> None:
        """Accept connections and never answer."""
        self._listening = socket.create_server(self._address)

    def open(self) -> None:
        """Forward every caller, including those already connected."""
        if self._listening is None:
            self.silent()
        self._start(self._accept)

    def freeze(self) -> None:
        """Hold back all data, in both directions, until `thaw`."""
        self._forwards.clear()

    def thaw(self) -> None:
        """Forward the data that was held back, and all later data."""
        self._forwards.set()

    def shut(self) -> None:
        """Close every connection and refuse new ones."""
        self.thaw()
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
                self._start(self._pump, caller, server)
                self._start(self._pump, server, caller)

    def _start(self, target: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._forwards.wait()
                sink.sendall(data)
        _hang_up(source)
        _hang_up(sink)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
