"""TCP ports of 127.0.0.1."""

import secrets
import socket
import sys
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
    """Pick a port that nobody uses, none of `besides`. On Linux nobody else picks it until this process ends."""
    while True:
        port = secrets.choice(CANDIDATES)
        if port not in besides and _hold(port):
            return port


def _hold(port: int) -> bool:
    """Bind a port without listening: until its server listens, it would be anybody's.

    Other picks fail then; servers, which set SO_REUSEADDR as we do, can listen. Elsewhere than on Linux they could not,
    and a port that is free must do.
    """
    if sys.platform != "linux":
        return is_free(port)
    holding = socket.socket()
    try:
        holding.bind((LOCALHOST, port))  # without the option: refused where anybody listens, holds, or just left
    except OSError:
        holding.close()
        return False
    holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holding.detach()  # open until this process ends
    return True
