"""Free TCP ports on 127.0.0.1."""

import secrets
import socket
import sys
from collections.abc import Collection

LOCALHOST = "127.0.0.1"
# Below the range of ephemeral ports: while a server restarts, a client that reconnects cannot be assigned the server's
# own port (and so connect to itself).
CANDIDATES = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Check whether a server could listen on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ignores connections in TIME_WAIT
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


def free_port(besides: Collection[int] = ()) -> int:
    """Pick an unused port that is not in `besides`. On Linux no other call picks it until this process ends."""
    while True:
        port = secrets.choice(CANDIDATES)
        if port not in besides and _hold(port):
            return port


def _hold(port: int) -> bool:
    """Reserve a port by binding it without listening, until its server listens; return False if it is taken.

    Other picks of the port then fail, but servers can listen, because they and this function set SO_REUSEADDR. On
    systems other than Linux they could not, so there the port is only checked.
    """
    if sys.platform != "linux":
        return is_free(port)
    holding = socket.socket()
    try:
        holding.bind(
            (LOCALHOST, port)
        )  # without SO_REUSEADDR, so that it fails if any socket is listening, bound or just closed
    except OSError:
        holding.close()
        return False
    holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holding.detach()  # the descriptor stays open until this process ends
    return True
