"""Many fits as lines of one request."""

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shared.settings import Settings
from shared.store import admissions
from shared.store.engine import Sessions
from tests.points import ramp
from tests.processes import serving
from tests.waiting import until
from worker.training import Training, run

NDJSON = {"Content-Type": "application/x-ndjson"}


def line(series_id: object, **fields: Any) -> bytes:
    return json.dumps(ramp(series_id=series_id, **fields)).encode() + b"\n"


def bulk(api: httpx.Client, content: bytes | Iterator[bytes], **headers: str) -> list[dict[str, Any]]:
    answer = api.post("/fit", content=content, headers=NDJSON | headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    return [json.loads(result) for result in answer.text.splitlines()]


def test_every_line_becomes_a_job(api: httpx.Client, training: Training, series_id: str) -> None:
    names = [f"{series_id}-{place}" for place in range(250)]
    results = bulk(api, b"".join(line(name) for name in names))
    assert [(result["line"], result["series_id"], result["status"]) for result in results] == [
        (place + 1, name, "queued") for place, name in enumerate(names)
    ]
    run(training, results[249]["job_id"])
    assert api.get(f"/jobs/{results[249]['job_id']}").json()["version"] == "1"


def test_invalid_lines_do_not_keep_valid_ones_from_being_accepted(api: httpx.Client, series_id: str) -> None:
    bad_lines = [
        (b"not json\n", "invalid_json"),
        (b"[]\n", "invalid_request"),
        (json.dumps(ramp()).encode() + b"\n", "invalid_request"),
        (line(".."), "invalid_series_id"),
        (line(7), "invalid_request"),
        (line("a", values=[1] * 20), "constant_series"),
        (line("a", detector="oracle"), "unknown_detector"),
        (line("a", idempotency_key=""), "invalid_request"),
        (line("a", color="blue"), "invalid_request"),
        (line("a").replace(b"[", b"[NaN,", 1), "invalid_json"),
    ]
    content = b"".join(line(f"{series_id}-{place}") + bad_line for place, (bad_line, _) in enumerate(bad_lines))
    results = bulk(api, content)
    assert [result["line"] for result in results] == list(range(1, 2 * len(bad_lines) + 1))
    assert [result["series_id"] for result in results[::2]] == [
        f"{series_id}-{place}" for place in range(len(bad_lines))
    ]
    assert all(api.get(f"/jobs/{result['job_id']}").status_code == 200 for result in results[::2])
    assert [result["problem"]["code"] for result in results[1::2]] == [code for _, code in bad_lines]
    assert all("job_id" not in result for result in results[1::2])


def test_empty_lines_and_a_missing_final_newline_are_accepted(api: httpx.Client, series_id: str) -> None:
    results = bulk(api, b"\n" + line(series_id) + b"\r\n\n" + line(series_id).rstrip())
    assert [result["line"] for result in results] == [2, 5]
    assert bulk(api, b"") == []


def test_lines_of_one_series_are_fitted_in_order(api: httpx.Client, training: Training, series_id: str) -> None:
    lines = [line(series_id, values=[value + place for value in ramp()["values"]]) for place in range(5)]
    job_ids = [result["job_id"] for result in bulk(api, b"".join(lines))]
    for job_id in reversed(job_ids):
        run(training, job_id)
    assert api.get(f"/jobs/{job_ids[0]}").json()["version"] == "1"
    for job_id in job_ids:
        run(training, job_id)
    assert [api.get(f"/jobs/{job_id}").json()["version"] for job_id in job_ids] == ["1", "2", "3", "4", "5"]


def test_a_line_with_an_idempotency_key_can_be_repeated(api: httpx.Client, series_id: str) -> None:
    keyed = line(series_id, idempotency_key=f"{series_id}-1")
    first, repeated = bulk(api, keyed + keyed)
    (later,) = bulk(api, keyed)
    assert first["job_id"] == repeated["job_id"] == later["job_id"]
    (reused,) = bulk(api, line(f"{series_id}-b", idempotency_key=f"{series_id}-1"))
    assert reused["problem"]["code"] == "idempotency_key_reused"


def test_results_arrive_while_lines_are_still_being_sent(api: httpx.Client, series_id: str) -> None:
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), 10) as connection:
        connection.sendall(b"POST /fit HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        received = b""
        for place in range(3):
            part = line(f"{series_id}-{place}")
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            while f'"line":{place + 1},'.encode() not in received:
                received += connection.recv(65536)
        connection.sendall(b"0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)


def test_a_client_may_send_everything_before_it_reads_results(api: httpx.Client, series_id: str) -> None:
    lines = b"".join(line(f"{series_id}-{place}", timestamps=["x" * 200]) for place in range(9000))
    assert len(bulk(api, lines)) == 9000


def test_accepted_lines_stay_accepted_when_the_client_disconnects(api: httpx.Client, series_id: str) -> None:
    part = line(series_id) + b'{"series_id": "half'
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), 10) as connection:
        connection.sendall(
            b"POST /fit HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n"
            % (len(part), part)
        )
        while b'"job_id"' not in connection.recv(65536):
            pass
    (job,) = api.get("/jobs", params={"series_id": series_id}).json()["jobs"]
    assert job["status"] == "queued"
    assert api.get("/jobs", params={"series_id": "half"}).json()["jobs"] == []


def test_a_bulk_fit_has_limits_on_lines_and_bytes(settings: Settings, series_id: str) -> None:
    with serving(settings.model_copy(update={"max_bulk_lines": 3, "max_body_bytes": 2000})) as api:
        results = bulk(api, b"".join(line(f"{series_id}-{place}") for place in range(4)))
        assert [result.get("problem", {}).get("code") for result in results][-1] == "too_many_lines"
        assert api.post("/fit", content=b"x" * 3000, headers=NDJSON).json()["code"] == "body_too_large"

        def chunks() -> Iterator[bytes]:
            yield line(f"{series_id}-first")
            until(lambda: httpx.get(f"{api.base_url}/jobs?series_id={series_id}-first", trust_env=False).json()["jobs"])
            for _ in range(30):
                yield b" " * 100

        first, last = bulk(api, chunks())
        assert first["status"] == "queued"
        assert last["problem"]["code"] == "body_too_large"


def test_lines_that_do_not_fit_into_the_queue_are_refused_one_by_one(
    settings: Settings, api: httpx.Client, sessions: Sessions, series_id: str
) -> None:
    api.post(f"/fit/{series_id}", json=ramp())
    with sessions.begin() as session:
        waiting = admissions.admission(session, 1_000_000).open_jobs
    with serving(settings.model_copy(update={"max_queued_jobs": waiting + 2})) as full:
        results = bulk(full, b"".join(line(f"{series_id}-{place}") for place in range(4)))
    assert [result.get("status") for result in results] == ["queued", "queued", None, None]
    assert {result["problem"]["code"] for result in results[2:]} == {"queue_full"}


def test_a_bulk_fit_may_be_compressed(api: httpx.Client, series_id: str) -> None:
    content = gzip.compress(line(series_id) + line(series_id))
    assert len(bulk(api, content, **{"Content-Encoding": "gzip"})) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe\n", b"[" * 5000 + b"\n", b'{"series_id": "\\ud800"}\n'])
def test_hostile_lines_get_a_problem(api: httpx.Client, content: bytes) -> None:
    (result,) = bulk(api, content)
    assert result["problem"]["status"] == 422
