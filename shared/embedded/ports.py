"""TCP ports of 127.0.0.1."""

import secrets
import socket
from collections.abc import Collection

LOCALHOST = "127.0.0.1"
# Below the range that outgoing connections get their ports from: while a server restarts, no client that tries to
# reconnect can be given the server's own port (and so even connect to itself).
CANDIDATES = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that ended just now do not count
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


def free_port(besides: Collection[int] = ()) -> int:
    """Pick a free port, none of those that are reserved `besides`."""
    while True:
        port = secrets.choice(CANDIDATES)
        if port not in besides and is_free(port):
            return port
