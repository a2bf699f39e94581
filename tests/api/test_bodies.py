"""Limits on request bodies, which apply before a body is parsed."""

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from api.chain import bodies
from shared.settings import MIB, Settings
from tests.points import ramp
from tests.processes import api_process, serving
from tests.waiting import until
from tests.wire import Reply, Wire, wired

MAX_BODY_BYTES = 256 * 1024
MAX_IN_FLIGHT_BYTES = 512 * 1024
FIT = json.dumps(ramp()).encode()


@pytest.fixture(scope="module")
def small_api(settings: Settings) -> Iterator[httpx.Client]:
    """An API with a small body limit, and memory for two of the largest bodies at a time."""
    bounds = {"max_body_bytes": MAX_BODY_BYTES, "max_body_bytes_in_flight": MAX_IN_FLIGHT_BYTES}
    with serving(settings.model_copy(update=bounds)) as client:
        yield client


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse requests that wait for memory after a short time."""
    monkeypatch.setattr(bodies, "WAIT_FOR_BUDGET_S", 0.2)


@pytest.fixture
def long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests wait for memory long enough even on a busy machine."""
    monkeypatch.setattr(bodies, "WAIT_FOR_BUDGET_S", 20.0)


def refusal(reply: Reply) -> tuple[int, str]:
    assert reply.headers["Content-Type"] == "application/problem+json"
    return reply.status, reply.problem["code"]


def stalled(api: httpx.Client, stack: ExitStack, size: int) -> Wire:
    """A client that sends `size` bytes of a body and stalls."""
    wire = stack.enter_context(wired(api))
    wire.head("POST", "/fit/stalled", Content_Length=MAX_BODY_BYTES)
    wire.send(b" " * size)
    return wire


def gzipped(api: httpx.Client, body: bytes, series_id: str) -> httpx.Response:
    return api.post(f"/fit/{series_id}", content=body, headers={"Content-Encoding": "gzip"})


def test_a_content_length_over_the_limit_is_refused_before_the_body_is_sent(small_api: httpx.Client) -> None:
    with wired(small_api) as wire:
        wire.head("POST", "/fit/a", Content_Length=MAX_BODY_BYTES + 1)
        assert refusal(wire.reply()) == (413, "body_too_large")
    with wired(small_api) as wire:
        wire.head("POST", "/fit/a", Content_Length="9" * 400)
        assert wire.reply().status in (400, 413)


def test_a_client_with_expect_100_is_refused_before_it_sends_the_body(small_api: httpx.Client) -> None:
    with wired(small_api) as wire:
        wire.head("POST", "/fit/a", Content_Length=MAX_BODY_BYTES + 1, Expect="100-continue")
        assert refusal(wire.reply()) == (413, "body_too_large")


def test_the_limit_also_applies_to_a_body_that_arrives_with_its_head(settings: Settings) -> None:
    head = "POST /fit/a HTTP/1.1\r\nHost: localhost\r\n"
    with serving(settings.model_copy(update={"max_body_bytes": 1000})) as api:
        for size, status in ((1000, 422), (1001, 413), (60_000, 413)):
            for remainder in (
                f"Content-Length: {size}\r\n\r\n{' ' * size}",
                f"Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{' ' * size}\r\n0\r\n\r\n",
            ):
                with wired(api) as wire:
                    wire.send((head + remainder).encode())
                    assert wire.reply().status == status


def test_a_chunked_body_is_refused_as_soon_as_it_exceeds_the_limit(small_api: httpx.Client) -> None:
    with wired(small_api) as wire:
        wire.head("POST", "/fit/a", Transfer_Encoding="chunked")
        for _ in range(MAX_BODY_BYTES // 4096 + 1):
            wire.chunk(b" " * 4096)
        assert refusal(wire.reply()) == (413, "body_too_large")


def test_a_body_of_exactly_the_limit_is_accepted(small_api: httpx.Client, series_id: str) -> None:
    assert small_api.post(f"/fit/{series_id}", content=FIT.ljust(MAX_BODY_BYTES)).status_code == 202
    assert gzipped(small_api, gzip.compress(FIT.ljust(MAX_BODY_BYTES)), series_id).status_code == 202
    refused = gzipped(small_api, gzip.compress(FIT.ljust(MAX_BODY_BYTES + 1)), series_id)
    assert refused.json()["code"] == "body_too_large"


def test_gzip_that_expands_too_much_is_refused_long_before_the_size_limit(api: httpx.Client, series_id: str) -> None:
    bomb = gzip.compress(FIT.ljust(20 * MIB))
    assert len(bomb) * bodies.MAX_EXPANSION < 20 * MIB
    refused = gzipped(api, bomb, series_id)
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert "times its size" in refused.json()["detail"]
    assert gzipped(api, gzip.compress(FIT.ljust(bodies.EXPANDS_FREELY_BYTES)), series_id).status_code == 202


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict/a", b'{"timestamp":1,"value":1,"context":[' + b"1," * 1_000_000 + b"1]}"),
        ("/predict/a/batch", b'{"timestamps":[1],"values":[' + b"1.5," * 5_000_000 + b"1]}"),
        ("/predict", b'{"points":[' + b'{"a":1},' * 1_500_000 + b"{}]}"),
        ("/series/a/versions/1/fit", b'{"parameters":{"exclude":[' + b"[1,2]," * 100_000 + b"[]]}}"),
        ("/series/a/pin", b" " * 1_000_000 + b'{"version":1}'),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_each_route_refuses_a_body_larger_than_any_valid_one_before_it_is_decoded(
    api: httpx.Client, path: str, body: bytes
) -> None:
    for content, headers in ((body, {}), (gzip.compress(body, 1), {"Content-Encoding": "gzip"})):
        method = "PUT" if path.endswith("/pin") else "POST"
        answer = api.request(method, path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_the_largest_context_and_batch_are_read_even_with_whitespace(api: httpx.Client, settings: Settings) -> None:
    context = [123456.789012] * settings.max_context_points
    answer = api.post("/predict/none", content=json.dumps({"timestamp": 1, "value": 1, "context": context}, indent=16))
    assert answer.json()["code"] == "series_not_found"
    times = [10**9 + place for place in range(settings.max_batch_points)]
    batch = {"timestamps": times, "values": [123456.789012] * settings.max_batch_points}
    answer = api.post("/predict/none/batch", content=json.dumps(batch, indent=16))
    assert answer.json()["code"] == "series_not_found"


def test_gzip_that_arrives_byte_by_byte_is_accepted(small_api: httpx.Client, series_id: str) -> None:
    with wired(small_api) as wire:
        wire.head("POST", f"/fit/{series_id}", Transfer_Encoding="chunked", Content_Encoding="GZIP")
        for byte in gzip.compress(FIT):
            wire.chunk(bytes([byte]))
        wire.chunk(b"")
        assert wire.reply().status == 202


def test_concatenated_gzip_files_are_one_body(small_api: httpx.Client, series_id: str) -> None:
    joined = gzip.compress(FIT[:50]) + gzip.compress(b"") + gzip.compress(FIT[50:])
    assert gzipped(small_api, joined, series_id).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b"",
        FIT,
        gzip.compress(FIT)[:-1],
        gzip.compress(FIT)[:-9],
        gzip.compress(FIT)[:12],
        gzip.compress(FIT)[:30] + b"\xff\xff\xff\xff" + gzip.compress(FIT)[34:],
        gzip.compress(FIT)[:-8] + bytes(8),
        gzip.compress(FIT) + b"and more",
        zlib.compress(FIT),
    ],
    ids=["nothing", "plain", "one-short", "no-sum", "head", "corrupt", "wrong-sum", "trailing", "zlib"],
)
def test_damaged_gzip_is_refused(small_api: httpx.Client, series_id: str, body: bytes) -> None:
    answer = gzipped(small_api, body, series_id)
    assert (answer.status_code, answer.json()["code"]) == (415, "invalid_encoding")


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "x" * 1000])
def test_an_unknown_encoding_is_refused(small_api: httpx.Client, encoding: str) -> None:
    answer = small_api.post("/fit/a", content=FIT, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (415, "invalid_encoding")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf" + FIT,
        FIT.decode().encode("utf-16"),
        b'{"timestamps":[1,2,3],"values":[1,2,3],"detector":"\xff"}',
        b'{"timestamps":[1,2,3],"values":[1,2,3],"detector":"\\udc00"}',
        b'{"timestamps":[1,2,3],"values":[1,2,3],"\\ud800":1}',
        b'{"a":' * 50_000,
        b"[" * 200_000,
        b'{"timestamps":' + b"[" * 100_000 + b"]" * 100_000 + b',"values":[1]}',
        b"3",
        b"null",
        b"true",
        b'"a string"',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_that_is_not_a_json_object_in_utf_8_is_refused(small_api: httpx.Client, body: bytes) -> None:
    answer = small_api.post("/fit/a", content=body)
    assert answer.status_code == 422
    assert answer.json()["code"] in ("invalid_json", "invalid_request")
    assert len(answer.content) < 1000


def test_the_last_of_duplicate_fields_counts_as_in_other_json_libraries(
    small_api: httpx.Client, series_id: str
) -> None:
    duplicated = b'{"timestamps":[1],"timestamps":[1,2,3,4],"values":[1,2,3,4]}'
    assert small_api.post(f"/fit/{series_id}", content=duplicated).json()["points_used"] == 4


def test_the_body_of_a_get_is_ignored(small_api: httpx.Client) -> None:
    answer = small_api.request("GET", "/livez", content=b"{" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 200
    answer = small_api.request("GET", "/livez", content=b"nonsense", headers={"Content-Encoding": "br"})
    assert answer.status_code == 200


def test_a_body_that_waits_too_long_for_memory_is_refused(
    small_api: httpx.Client, series_id: str, short_wait: None
) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stalled(small_api, stack, MAX_BODY_BYTES - 1)
        large = FIT.ljust(MAX_BODY_BYTES)
        answers = [small_api.post(f"/fit/{series_id}", content=large)]

        def again() -> None:  # some of the first three may have been refused
            stalled(small_api, stack, MAX_BODY_BYTES - 1)
            answers.append(small_api.post(f"/fit/{series_id}", content=large))

        until(lambda: answers[-1].status_code == 503, meanwhile=again)
        assert answers[-1].json()["code"] == "overloaded"
        assert int(answers[-1].headers["Retry-After"]) >= 1
    until(
        lambda: small_api.post(f"/fit/{series_id}", content=large).status_code == 202
    )  # the closed uploads released their memory


def test_small_requests_do_not_wait_for_large_uploads(small_api: httpx.Client, series_id: str, long_wait: None) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            stalled(small_api, stack, MAX_BODY_BYTES - 1)
        waiting = pool.submit(small_api.post, f"/fit/{series_id}", content=FIT.ljust(MAX_BODY_BYTES))
        for _ in range(20):
            assert small_api.post(f"/fit/{series_id}", content=FIT).status_code == 202
        stack.close()
        assert waiting.result().status_code == 202


def test_a_stalled_upload_is_aborted(small_api: httpx.Client, series_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_PAUSE_S", 0.2)
    with ExitStack() as stack:
        idle = [stalled(small_api, stack, MAX_BODY_BYTES - 1) for _ in range(3)]
        for wire in idle:
            reply = wire.reply()
            assert refusal(reply) in ((408, "body_too_slow"), (503, "overloaded"))
        assert small_api.post(f"/fit/{series_id}", content=FIT.ljust(MAX_BODY_BYTES)).status_code == 202


def test_concurrent_bodies_that_together_exceed_the_memory_are_all_read(
    small_api: httpx.Client, series_id: str, long_wait: None
) -> None:
    large = FIT.ljust(MAX_BODY_BYTES)
    with ExitStack() as stack:
        wires = [stack.enter_context(wired(small_api)) for _ in range(6)]
        for wire in wires:
            wire.head("POST", f"/fit/{series_id}", Content_Length=MAX_BODY_BYTES)
        for start in range(0, MAX_BODY_BYTES, 4096):
            for wire in wires:
                wire.send(large[start : start + 4096])
        assert [wire.reply().status for wire in wires] == [202] * 6


def test_a_slow_client_is_served_alongside_fast_ones(small_api: httpx.Client, series_id: str) -> None:
    with wired(small_api) as wire:
        wire.head("POST", f"/fit/{series_id}", Content_Length=len(FIT))
        for place in range(len(FIT)):
            wire.send(FIT[place : place + 1])
            if place % 100 == 0:
                assert small_api.get("/livez").status_code == 200
        assert wire.reply().status == 202


def peak(pid: int) -> int:
    """The largest resident size since the last `forget_peak`, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def test_gzip_bombs_are_refused_without_using_memory_for_their_expanded_size(
    settings: Settings, tmp_path: Path
) -> None:
    bounds = {"max_body_bytes": 8 * MIB, "max_body_bytes_in_flight": 16 * MIB}
    packer = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(16 * MIB)
    gibibyte = b"".join([*(packer.compress(zeros) for _ in range(64)), packer.flush()])
    dense_enough = b"".join(os.urandom(192) + bytes(16 * 1024 - 192) for _ in range(512))
    just_small_enough = gzip.compress(dense_enough)
    with api_process(settings.model_copy(update=bounds), tmp_path) as (process, api):
        pid = process.popen.pid
        assert gzipped(api, gzip.compress(FIT), "bomb").status_code == 202
        forget_peak(pid)
        idle = peak(pid)
        assert gzipped(api, gibibyte, "bomb").json()["code"] == "body_too_large"
        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(lambda _: gzipped(api, just_small_enough, "bomb").status_code, range(20)))
        assert set(statuses) <= {422, 503}
        assert peak(pid) - idle < 100 * MIB  # 20 of them together are 160 MiB
