"""The chain of every request: request ids, routing, and unexpected errors."""

import asyncio
import logging
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from api import problems
from api.chain.slots import chain
from api.main import create_app
from shared.embedded.ports import free_port
from shared.metrics import Metrics
from shared.settings import Settings
from tests.processes import serving
from tests.waiting import until
from tests.wire import wired


@pytest.fixture(scope="module")
def without_database(settings: Settings) -> Iterator[httpx.Client]:
    """An API without a database."""
    unreachable = {"database_url": f"postgresql://x@127.0.0.1:{free_port()}/x"}
    with serving(settings.model_copy(update=unreachable)) as client:
        yield client


@pytest.mark.parametrize("request_id", ["a", "4bf92f3577b34da6a3ce929d0e0e4736", "run-7.step_3", "x" * 64])
def test_the_id_of_a_request_is_returned(api: httpx.Client, request_id: str) -> None:
    for path in ("/livez", "/jobs/none", "/no/such/route"):
        assert api.get(path, headers={"X-Request-ID": request_id}).headers["X-Request-ID"] == request_id
    assert api.get("/jobs/none", headers={"X-Request-ID": request_id}).json()["request_id"] == request_id


@pytest.mark.parametrize(
    "request_id", ["", "x" * 65, "a b", 'a"b', "<script>", "a\tb", "a;b", "ü", "\x7f", "${jndi:ldap://a}"]
)
def test_a_hostile_request_id_is_replaced(api: httpx.Client, request_id: str) -> None:
    with wired(api) as wire:
        wire.head("GET", "/livez", X_Request_ID=request_id)
        reply = wire.reply("GET")
    if reply.status == 200:
        assert len(reply.headers["X-Request-ID"]) == 16
        int(reply.headers["X-Request-ID"], 16)
    else:  # the server itself rejects control characters
        assert reply.status == 400


def test_requests_without_an_id_get_different_ones(api: httpx.Client) -> None:
    assert len({api.get("/livez").headers["X-Request-ID"] for _ in range(50)}) == 50


def test_the_query_string_has_its_own_limit(api: httpx.Client) -> None:
    for path in ("/series", "/livez", "/predict/a"):
        method = "POST" if path.startswith("/predict") else "GET"
        fits, too_large = (api.request(method, f"{path}?a={'b' * size}") for size in (8190, 8191))
        assert fits.status_code < 431
        assert (too_large.status_code, too_large.json()["code"]) == (431, "head_too_large")


def test_log_lines_name_the_request(without_database: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    assert without_database.get("/series", headers={"X-Request-ID": "find-me"}).status_code == 503
    (line,) = [record.getMessage() for record in caplog.records if "find-me" in record.getMessage()]
    assert "database_unavailable" in line


def test_a_hostile_path_cannot_add_a_log_line(without_database: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    for path in ("/jobs/%0A2026-01-01%20INFO%20all%20is%20well", "/static/x%0Aforged/%1b[2J", "/series/%0Aforged"):
        without_database.get(path)
    without_database.get("/series", headers={"Host": "x%0Aforged"})
    assert not [record for record in caplog.records if "\n" in record.getMessage() or "\x1b" in record.getMessage()]


def test_refused_and_failed_requests_write_short_lines(
    without_database: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api")
    for path in ("/fit/" + "%f4%8f%bf%bf" * 1000, "/jobs/" + "a" * 8000, "/series/" + "%C2%A0" * 1000):
        for method in ("GET", "POST"):
            without_database.request(method, path)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("api")]
    assert lines
    assert max(map(len, lines)) < 500


@pytest.mark.parametrize("host", ["[", "a b", "x" * 5000, "::::", "user@host", "%00"])
def test_a_hostile_host_header_is_not_a_server_error(without_database: httpx.Client, host: str) -> None:
    for path, expected in (("/series", (400, 503)), ("/livez", (200, 400)), ("/livez/", (400, 503))):
        with wired(without_database) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert wire.reply("GET").status in expected


@pytest.mark.parametrize(
    "path", ["/nothing", "/fit/", "/fit/a/b/c", "/predict/a/b", "/series/a/versions/1/nothing", "/livez/", "/%2e"]
)
def test_an_unknown_route_is_a_problem(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")
    assert answer.headers["content-type"] == problems.MEDIA_TYPE


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/fit/a"), ("PUT", "/fit/a"), ("PATCH", "/series"), ("DELETE", "/livez"), ("TRACE", "/livez")],
)
def test_an_unsupported_method_is_a_problem_that_lists_the_supported_ones(
    api: httpx.Client, method: str, path: str
) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    assert answer.headers["Allow"]


def test_head_has_no_body_and_options_is_refused_with_the_allowed_methods(api: httpx.Client) -> None:
    head = api.head("/livez")
    assert head.status_code in (200, 405)
    assert head.content == b""
    assert api.get("/livez").status_code == 200  # the connection still works
    options = api.options("/fit/a")
    assert options.status_code == 405
    assert "POST" in options.headers["Allow"]


def test_an_unexpected_error_hides_internals_from_clients_and_logs_them(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(settings.model_copy(update={"auth": "off"}))  # without its services, the app cannot read keys

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    answer = asyncio.run(get_in_process(app, "/broken", {"X-Request-ID": "find-me"}))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    assert answer.headers["X-Request-ID"] == "find-me"
    assert answer.json()["code"] == "internal_error"
    assert answer.json()["request_id"] == "find-me"
    for internal in (b"hunter2", b"RuntimeError", b"Traceback", b".py"):
        assert internal not in answer.content
    log = capsys.readouterr().err
    assert "ERROR api.chain.slots find-me: GET '/broken' failed" in log
    assert log.count("Traceback") == 1
    assert "hunter2" in log


async def get_in_process(app: FastAPI, path: str, headers: dict[str, str]) -> httpx.Response:
    """Send one request without a server, to a route that only this test adds."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        return await client.get(path, headers=headers)


def test_a_client_that_disconnects_leaves_a_log_line_without_a_stack_trace(
    api: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    paths = ("/fit/gone", "/predict/gone", "/predict/gone/batch", "/predict")
    for path in paths:
        with wired(api) as wire:
            wire.head("POST", path, Content_Length=1000)
            wire.send(b"{")
    until(lambda: sum("disconnected" in record.getMessage() for record in list(caplog.records)) == len(paths))
    assert not [record for record in caplog.records if record.exc_info]  # warnings may come from other servers


def test_the_slots_of_the_chain_are_in_order(settings: Settings) -> None:
    names = [getattr(slot.cls, "__name__", "") for slot in chain(settings, Metrics())]
    assert names[:5] == ["Headers", "RequestId", "Prefix", "Limits", "Authentication"]
    assert names[-1] == "Telemetry"
