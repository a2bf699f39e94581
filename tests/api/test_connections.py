"""Limits on connections and request heads."""

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import ExitStack
from threading import Event

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from api.chain import bodies, connections, delivery
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
    request = b"POST /fit/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
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


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"X-Long: " + b"x" * 250_000, id="one-long-header"),
        pytest.param(b"a:\r\n" * 60_000, id="60,000-short-headers"),
        pytest.param(b"a: b\r\n" * 101, id="101-headers"),
        pytest.param((b"X-Long: " + b"x" * 9000 + b"\r\n") * 8, id="eight-long-headers"),
    ],
)
def test_a_complete_head_beyond_a_limit_is_refused(api: httpx.Client, head: bytes) -> None:
    with wired(api) as wire:
        wire.send(b"GET /livez HTTP/1.1\r\n" + head + b"\r\n\r\n")
        reply = wire.reply("GET")
        assert (reply.status, reply.problem["code"]) == (431, "head_too_large")


def test_path_and_query_string_together_have_a_limit(api: httpx.Client) -> None:
    with wired(api) as wire:
        wire.send(b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"%41" * 6000))
        assert wire.reply("GET").problem["code"] == "head_too_large"


def test_endless_trailers_and_chunk_extensions_are_refused(api: httpx.Client) -> None:
    for silent in (b"0\r\nX-Trailer: ", b"1;extension="):
        with wired(api) as wire:
            wire.head("POST", "/predict/a", Transfer_Encoding="chunked")
            wire.send(silent)
            until(lambda: select.select([wire.connection], [], [], 0)[0], meanwhile=lambda: wire.send(b"x" * 16_000))
            assert wire.reply().problem["code"] == "head_too_large"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /predict/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnot-a-size\r\n",
        b"POST /predict/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_bytes_that_are_not_http_get_a_problem(api: httpx.Client, sent: bytes) -> None:
    with wired(api) as wire:
        wire.send(sent)
        reply = wire.reply()
        assert (reply.status, reply.problem["code"]) == (400, "malformed_request")
        until(lambda: ended(wire))


def test_a_refusal_comes_after_the_responses_to_earlier_requests(api: httpx.Client) -> None:
    good = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with wired(api) as wire:
        wire.send(good * 2 + b"nonsense\r\n\r\n")
        assert statuses(wire, 3) == [200, 200, 400]
    with wired(api) as wire:
        wire.send(good * (connections.MAX_PIPELINED + 50))
        answers = statuses(wire, connections.MAX_PIPELINED + 2)
        assert answers == [200] * (connections.MAX_PIPELINED + 1) + [503]


def test_a_connection_answered_before_its_body_is_complete_is_closed_even_if_bytes_arrive(
    keyed: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "DRAIN_WITHIN_S", 0.3)
    with wired(keyed) as wire:
        wire.head("POST", "/fit/a", Content_Length=1_000_000)
        assert wire.reply().status == 401
        until(lambda: ended(wire), meanwhile=lambda: wire.send(b" "))


def test_a_body_that_ends_shortly_after_its_response_keeps_the_connection(keyed: httpx.Client) -> None:
    with wired(keyed) as wire:
        for _ in range(3):
            wire.head("POST", "/fit/a", Content_Length=1000)
            assert wire.reply().status == 401
            wire.send(b" " * 1000)


def test_line_ends_between_requests_do_not_keep_a_connection(settings: Settings) -> None:
    with serving(settings, timeout_keep_alive=0.3) as api, wired(api) as wire:
        wire.head("GET", "/livez")
        assert wire.reply("GET").status == 200
        until(lambda: ended(wire), meanwhile=lambda: wire.send(b"\r\n"))


def test_a_new_connection_replaces_the_one_that_is_idle_longest(settings: Settings) -> None:
    with serving(settings.model_copy(update={"max_connections": 3})) as api, ExitStack() as stack:
        kept = [stack.enter_context(wired(api)) for _ in range(3)]
        for wire in kept:
            wire.head("GET", "/livez")
            assert wire.reply("GET").status == 200
        assert status(api) == 200
        until(lambda: ended(kept[0]))
        kept[2].head("GET", "/livez")
        assert kept[2].reply("GET").status == 200


def test_a_connection_beyond_the_limit_gets_a_503_if_all_are_busy(settings: Settings) -> None:
    with serving(settings.model_copy(update={"max_connections": 3})) as api, ExitStack() as stack:
        busy = [stack.enter_context(wired(api)) for _ in range(3)]
        for wire in busy:
            wire.head("POST", "/predict/a", Content_Length=10, Expect="100-continue")
            assert wire.connection.recv(12) == b"HTTP/1.1 100"
        with wired(api) as refused:
            reply = refused.reply("GET")
        assert (reply.status, reply.problem["code"]) == (503, "overloaded")
        assert reply.headers["Retry-After"] == "5"
        busy[0].connection.close()
        until(lambda: status(api) == 200)


def test_a_client_that_stops_reading_is_disconnected_and_a_slow_one_is_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "CHECK_EVERY_S", 0.3)
    ended: set[str] = set()

    async def zeros(client: str) -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(50_000)
                await asyncio.sleep(0.01)
        finally:
            ended.add(client)

    def add_route(app: FastAPI) -> None:
        app.add_api_route("/endless", lambda client: StreamingResponse(zeros(client)))

    with serving(settings, change=add_route) as api, ExitStack() as stack:
        reading, silent = (stack.enter_context(wired(api)) for _ in range(2))
        reading.head("GET", "/endless?client=reading")
        silent.head("GET", "/endless?client=silent")
        until(lambda: "silent" in ended, meanwhile=lambda: reading.connection.recv(65_536))
        assert "reading" not in ended


def test_a_body_that_the_application_does_not_take_is_not_read(settings: Settings) -> None:
    ends = Event()

    def add_route(app: FastAPI) -> None:
        app.add_api_route("/waiting", lambda: ends.wait(60), methods=["POST"])

    with serving(settings, change=add_route) as api, wired(api) as wire, ExitStack() as stack:
        stack.callback(ends.set)
        wire.head("POST", "/waiting", Transfer_Encoding="chunked")
        part, sent = b"%x\r\n%s\r\n" % (100_000, bytes(100_000)), 0
        while sent < 100_000_000 and select.select([], [wire.connection], [], 0.5)[1]:
            sent += wire.connection.send(part[sent % len(part) :])
        assert sent < 50_000_000  # in the buffers of the system


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
