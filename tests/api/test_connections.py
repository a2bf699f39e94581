"""Limits on connections and request heads."""

import select
from contextlib import ExitStack

import httpx
import pytest

from api.chain import bodies, connections
from shared.settings import Settings
from tests.processes import serving
from tests.waiting import until
from tests.wire import Wire, wired


def ended(wire: Wire) -> bool:
    """Whether the server has closed the connection."""
    readable, _, _ = select.select([wire.connection], [], [], 0)
    return bool(readable) and wire.connection.recv(1) == b""


def statuses(wire: Wire, replies: int) -> list[int]:
    """The statuses of replies that may arrive together: reading one at a time would lose the others."""
    arrived = b""
    while arrived.count(b"HTTP/1.1 ") < replies and (part := wire.connection.recv(65_536)):
        arrived += part
    return [int(reply[:3]) for reply in arrived.split(b"HTTP/1.1 ")[1:]]


def status(api: httpx.Client) -> int:
    """The status of a request on a new connection."""
    with wired(api) as wire:
        wire.head("GET", "/livez")
        return wire.reply("GET").status


@pytest.mark.parametrize("part", [b"X-Padding: " + b"x" * 1000 + b"\r\n", b"x" * 1000])
def test_an_endless_head_is_refused(api: httpx.Client, part: bytes) -> None:
    with wired(api) as wire:
        wire.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        # If the server closes the connection with bytes unread, the client may lose the response.
        for sent in range(0, 200_000, len(part)):
            wait_s = 1 if sent > connections.MAX_HEAD_BYTES else 0
            if select.select([wire.connection], [], [], wait_s)[0]:
                break
            wire.send(part)
        reply = wire.reply("GET")
    assert (reply.status, reply.problem["code"]) == (431, "head_too_large")
    assert reply.headers["Connection"] == "close"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_a_head_of_normal_size_passes_however_it_is_split(api: httpx.Client) -> None:
    with wired(api) as wire:
        for _ in range(3):  # on one connection
            for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 2000 + b"\r\n\r\n":
                wire.send(bytes([byte]))
            assert wire.reply("GET").status == 200


def test_a_large_body_does_not_count_toward_the_limit_on_heads(api: httpx.Client) -> None:
    body = b" " * 300_000
    request = b"POST /predict/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with wired(api) as wire:
        for _ in range(2):
            wire.send(request + request)
            assert statuses(wire, 2) == [422, 422]


def test_a_connection_whose_head_is_not_complete_in_time_is_closed(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.2)
    for begun in (b"", b"GET /livez HT"):
        with wired(api) as wire:
            wire.send(begun)
            until(lambda wire=wire: ended(wire))  # type: ignore[misc]


def test_each_request_on_a_kept_connection_has_its_own_head_deadline(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.2)
    with wired(api) as wire:
        wire.head("GET", "/livez")
        assert wire.reply("GET").status == 200
        wire.send(b"GET /li")
        until(lambda: ended(wire))


def test_connections_over_the_limit_get_a_503(settings: Settings) -> None:
    with serving(settings.model_copy(update={"max_connections": 3})) as api, ExitStack() as stack:
        kept = [stack.enter_context(wired(api)) for _ in range(3)]
        for wire in kept:
            wire.head("GET", "/livez")
            assert wire.reply("GET").status == 200
        with wired(api) as refused:
            reply = refused.reply("GET")
        assert (reply.status, reply.problem["code"]) == (503, "overloaded")
        assert reply.headers["Retry-After"] == "5"
        kept[0].connection.close()
        until(lambda: status(api) == 200)


def test_a_trickling_body_is_aborted_even_if_it_never_pauses(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_WITHIN_S", 0.2)
    for path in ("/fit/a", "/fit", "/predict/a"):
        with wired(api) as wire:
            wire.head("POST", path, Transfer_Encoding="chunked")
            until(lambda: select.select([wire.connection], [], [], 0)[0], meanwhile=lambda: wire.chunk(b" "))
            reply = wire.reply()
        if path != "/fit":  # a bulk fit has already started its response
            assert (reply.status, reply.problem["code"]) == (408, "body_too_slow")
        else:
            assert b"body_too_slow" in reply.body
