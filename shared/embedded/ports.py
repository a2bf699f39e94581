"""Free TCP ports on 127.0.0.1."""

import secrets
import socket
import sys
from collections.abc import Collection

LOCALHOST = "127.0.0.1"
# Below the range of ephemeral ports. If a server used one of those, a client that reconnects during a restart could be
# assigned the same port and connect to itself.
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


def free_port(exclude: Collection[int] = ()) -> int:
    """Pick an unused port that is not in `exclude`. On Linux no other call picks it until this process ends."""
    while True:
        port = secrets.choice(CANDIDATES)
        if port not in exclude and _hold(port):
            return port


def _hold(port: int) -> bool:
    """Reserve a port until this process ends, by binding it without listening; return False if it is taken.

    Other picks of the port then fail, but servers can listen, because they and this function set SO_REUSEADDR. On
    other systems the servers could not listen, so there this function only checks the port.
    """
    if sys.platform != "linux":
        return is_free(port)
    holding = socket.socket()
    try:
        # Without SO_REUSEADDR, this fails if another socket of the port is listening, bound or just closed.
        holding.bind((LOCALHOST, port))
    except OSError:
        holding.close()
        return False
    holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holding.detach()  # the descriptor stays open until this process ends
    return True
