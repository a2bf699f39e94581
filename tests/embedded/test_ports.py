import socket
import sys

import pytest

from shared.embedded import ports
from shared.embedded.ports import CANDIDATES, LOCALHOST, free_port

holds = pytest.mark.skipif(
    sys.platform != "linux", reason="on other systems, no server could listen on a reserved port"
)


@pytest.fixture
def picked_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A picked port that is also half of the candidates for later picks."""
    port = free_port()
    monkeypatch.setattr(ports, "CANDIDATES", [port] * len(CANDIDATES) + [*CANDIDATES])
    return port


@holds
def test_a_picked_port_is_not_picked_again_before_its_server_listens(picked_port: int) -> None:
    assert picked_port not in {free_port() for _ in range(20)}


@holds
def test_a_picked_port_is_not_picked_again_while_its_server_listens(picked_port: int) -> None:
    for _ in range(2):
        with (
            socket.create_server((LOCALHOST, picked_port)) as server,
            socket.create_connection((LOCALHOST, picked_port)),
        ):
            server.accept()[0].close()
            assert picked_port not in {free_port() for _ in range(20)}


def test_a_picked_port_refuses_connections_until_its_server_listens() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOCALHOST, free_port()))
