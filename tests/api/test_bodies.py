"""Limits on the size of request bodies, and bodies that cannot be decoded."""

import gzip
import json

import httpx
import pytest

from shared.settings import Settings
from tests.api.bodies import FIT, MAX_BODY_BYTES, gzipped, refusal
from tests.processes import serving
from tests.wire import wired


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
