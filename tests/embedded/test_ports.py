import socket
import sys

import pytest

from shared.embedded import ports
from shared.embedded.ports import CANDIDATES, LOCALHOST, free_port

holds = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody could listen on a port that is held")


@pytest.fixture
def picked_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A picked port, which every other try of a later pick would choose."""
    port = free_port()
    monkeypatch.setattr(ports, "CANDIDATES", [port] * len(CANDIDATES) + [*CANDIDATES])
    return port


@holds
def test_a_port_that_was_picked_is_nobody_elses_before_its_server_listens(picked_port: int) -> None:
    assert picked_port not in {free_port() for _ in range(20)}


@holds
def test_nor_while_its_server_listens_which_it_may_more_than_once(picked_port: int) -> None:
    for _ in range(2):
        with (
            socket.create_server((LOCALHOST, picked_port)) as server,
            socket.create_connection((LOCALHOST, picked_port)),
        ):
            server.accept()[0].close()
            assert picked_port not in {free_port() for _ in range(20)}


def test_until_then_nobody_answers_on_it() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOCALHOST, free_port()))
