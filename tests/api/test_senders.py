"""What senders that read only the status do with each response: nothing that could be stored later may be lost."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from api.chain import bodies
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.keys import MakeKey
from tests.processes import serving
from tests.remote import HEADERS, encoded, send
from tests.waiting import until
from tests.wire import Wire, wired

NOW = int(time.time())
PATHS = ("/api/v1/write", "/api/v2/write?precision=s", "/write?precision=s")
SMALL = {"max_body_bytes": 300_000, "max_body_bytes_in_flight": 300_000, "max_push_points": 2}


def prometheus_repeats(status: int) -> bool:
    """As its `storage/remote` decides, unless `retry_on_http_429` is set."""
    return status >= 500


def telegraf_repeats(status: int) -> bool:
    """As its output `influxdb_v2` decides; it keeps what gets 401 or 403, and sends it in parts after 413."""
    return status >= 500 or status in (401, 403, 413, 429)


def write(api: httpx.Client, path: str, points: int = 1, ago_s: int = 0) -> httpx.Response:
    seconds = [NOW - ago_s - place for place in range(points)]
    if path == PATHS[0]:
        return send(api, encoded(({"__name__": "senders", "job": "a", "instance": "b"}, [(at, 1.0) for at in seconds])))
    return api.post(path, content="\n".join(f"senders f=1 {at}" for at in seconds).encode())


def begin(wire: Wire, path: str, size: int) -> None:
    """Send the head of a body of this size."""
    headers = HEADERS if path == PATHS[0] else {}
    wire.head("POST", path, Content_Length=size, **headers)


def slow(api: httpx.Client, path: str) -> int:
    with pytest.MonkeyPatch.context() as patch, wired(api) as wire:
        patch.setattr(bodies, "MAX_PAUSE_S", 0.05)
        begin(wire, path, 100_000)
        wire.send(b" ")
        reply = wire.reply()
        assert reply.problem["status"] == reply.status
        assert reply.problem["code"] == "body_too_slow"
        return reply.status


def crowded(api: httpx.Client, path: str) -> int:
    """Another body holds all memory for bodies."""
    with pytest.MonkeyPatch.context() as patch, wired(api) as other:
        patch.setattr(bodies, "WAIT_FOR_BUDGET_S", 0.05)
        begin(other, path, 250_000)
        other.send(b" " * 200_000)
        statuses = [204]
        until(
            lambda: statuses[-1] == 503,
            meanwhile=lambda: statuses.append(api.post(path, content=b" " * 200_000, headers=HEADERS).status_code),
        )
        return statuses[-1]


def large(api: httpx.Client, path: str) -> int:
    return api.post(path, content=b" " * 400_000, headers=HEADERS if path == PATHS[0] else {}).status_code


# How a response arises, its status, and what may become of the points: they are stored "later", "in parts" or never.
CASES: list[tuple[Callable[[httpx.Client, str], int], int, str]] = [
    (slow, 503, "later"),
    (crowded, 503, "later"),
    (large, 413, "in parts"),
    (lambda api, path: write(api, path, points=3).status_code, 413, "in parts"),
    (lambda api, path: write(api, path, ago_s=90 * 86_400).status_code, 400, "never"),
    (lambda api, path: write(api, path, ago_s=-7_200).status_code, 400, "never"),
    (lambda api, path: api.post(path, content=b"\xff", headers={"Content-Encoding": "zstd"}).status_code, 415, "never"),
]


@pytest.fixture(scope="module")
def small_api(settings: Settings) -> Iterator[httpx.Client]:
    with serving(settings.model_copy(update=SMALL)) as api:
        assert api.put("/sources/senders", json={"kind": "remote_write", "select": {"__name__": "senders"}}).is_success
        yield api
        assert api.delete("/sources/senders").is_success


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("case", "status", "stored"), CASES)
def test_what_can_be_stored_later_or_in_parts_is_sent_again(
    small_api: httpx.Client, path: str, case: Callable[[httpx.Client, str], int], status: int, stored: str
) -> None:
    assert case(small_api, path) == status
    assert prometheus_repeats(status) == (stored == "later")
    assert telegraf_repeats(status) == (stored != "never")
    assert write(small_api, path).status_code == 204


def test_without_a_database_everything_is_sent_again_and_a_key_that_is_missing_is_an_error_of_the_operator(
    settings: Settings, keyed: httpx.Client, make_key: MakeKey
) -> None:
    make_key()
    with serving(settings.model_copy(update={"database_url": f"postgresql://x@127.0.0.1:{free_port()}/x"})) as api:
        assert [write(api, path).status_code for path in PATHS] == [503] * 3
    assert [write(keyed, path).status_code for path in PATHS] == [401] * 3
