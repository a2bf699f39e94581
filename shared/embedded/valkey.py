"""Valkey, a Redis-compatible server, on 127.0.0.1."""

import socket

from shared.embedded.binaries import valkey_binary
from shared.embedded.home import Home
from shared.embedded.identity import Identity
from shared.embedded.ports import LOCALHOST
from shared.embedded.service import Command, Server

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
ANSWER_S = 3


def address(port: int, password: str) -> str:
    """Return the URL of the server."""
    return f"redis://:{password}@{LOCALHOST}:{port}/0"


class Valkey(Server):
    """The server in a home. `durable=False` keeps everything in memory, for tests."""

    def __init__(self, home: Home, identity: Identity, *, durable: bool) -> None:
        super().__init__("valkey", home, identity)
        self.durable = durable
        self.port = home.port(self.name)
        self.password = home.secret(self.name)

    @property
    def url(self) -> str:
        return address(self.port, self.password)

    def command(self) -> Command:
        binary = valkey_binary(self.home, self.identity)
        settings = {
            "bind": LOCALHOST,
            "port": self.port,
            "requirepass": self.password,
            "dir": quoted(str(self.home.folder("valkey", self.identity))),
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",  # a queue must reject new messages, never evict old ones
        }
        lines = "".join(f"{name} {value}\n" for name, value in settings.items())
        return Command((str(binary), "-"), ENVIRONMENT, stdin=lines.encode())

    def answers(self) -> bool:
        """Send PING with the password; the server rejects PING while loading its data."""
        try:
            with socket.create_connection((LOCALHOST, self.port), ANSWER_S) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\n") < 2 and (more := connection.recv(256)):
                    answer += more
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"


def quoted(text: str) -> str:
    """Quote a string for the configuration file of Valkey."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
