import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from shared.artifacts import Artifacts
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.points import ramp
from tests.processes import migrated_database, serving
from tests.stores import root


def test_an_accepted_fit_returns_its_job_and_location(api: httpx.Client, series_id: str) -> None:
    answer = api.post(f"/fit/{series_id}", json=ramp(6))
    assert answer.status_code == 202
    job = answer.json()
    assert job["status"] == "queued"
    assert job["series_id"] == series_id
    assert job["points_used"] == 6
    assert answer.headers["Location"] == job["links"]["self"] == f"/jobs/{job['job_id']}"
    assert answer.headers["Retry-After"] == "1"


def test_an_accepted_fit_stores_its_data_before_the_response(
    api: httpx.Client, artifacts: Artifacts, series_id: str
) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    assert (root(artifacts.data) / series_id / f"{job_id}.npz").is_file()


def test_blanks_around_a_series_id_are_trimmed(api: httpx.Client, series_id: str) -> None:
    answer = api.post(f"/fit/%20{series_id}%20", json=ramp())
    assert answer.status_code == 202
    assert answer.json()["series_id"] == series_id


def test_a_gzipped_body_is_accepted(api: httpx.Client, series_id: str) -> None:
    body = gzip.compress(json.dumps(ramp()).encode())
    answer = api.post(f"/fit/{series_id}", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 202


def test_a_chunked_body_is_accepted(api: httpx.Client, series_id: str) -> None:
    parts = iter([b'{"timestamps":[1,2,', b'3],"values":[1,', b"2,3]}"])
    assert api.post(f"/fit/{series_id}", content=parts).status_code == 202


def test_the_training_data_is_returned_as_sent(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    body = {"timestamps": [1, 2, 3, 253_402_300_799], "values": [0.1, -1e300 * 1e-200, 3, 5e-324]}
    fitted(series_id, body)
    back = api.get(f"/series/{series_id}/versions/latest/data").json()
    assert back == body
    rows = api.get(f"/series/{series_id}/versions/1/data?format=csv")
    assert rows.headers["content-type"].startswith("text/csv")
    assert rows.text.splitlines()[:2] == ["timestamp,value", "1,0.1"]


def raw(timestamps: str = "[1,2,3]", values: str = "[1,2,3]", more: str = "") -> bytes:
    return f'{{"timestamps":{timestamps},"values":{values}{more}}}'.encode()


BAD_BODIES = [
    # invalid JSON
    (b"", "invalid_json"),
    (b"hello", "invalid_json"),
    (b'{"timestamps":[1,2,3],"values":[1,2,3]', "invalid_json"),
    (b'{"timestamps":[1,2,3],"values":[1,2,3]} extra', "invalid_json"),
    (b"\xff\xfe\x00", "invalid_json"),
    (raw(values="[NaN,1,2]"), "invalid_json"),
    (raw(values="[Infinity,1,2]"), "invalid_json"),
    (raw(values="[-Infinity,1,2]"), "invalid_json"),
    (raw(more=',"detector":"\\ud800"'), "invalid_json"),
    (raw(more=',"parameters":' + "[" * 5000 + "]" * 5000), "invalid_request"),
    (raw(more=',"parameters":{"a":' + "[" * 5000 + "]" * 5000 + "}"), "invalid_json"),
    # undocumented fields
    (b"[]", "invalid_request"),
    (b"null", "invalid_request"),
    (b'"text"', "invalid_request"),
    (b"{}", "invalid_request"),
    (b'{"timestamps":[1,2,3]}', "invalid_request"),
    (raw(more=',"unknown":1'), "invalid_request"),
    (raw(more=',"detector":3'), "invalid_request"),
    (raw(more=',"parameters":[]'), "invalid_request"),
    # invalid numbers
    (raw(values="[1e999,1,2]"), "invalid_request"),
    (raw(values="[true,1,2]"), "invalid_request"),
    (raw(values='["1",1,2]'), "invalid_request"),
    (raw(values="[null,1,2]"), "invalid_request"),
    (raw(values="null"), "invalid_request"),
    (raw(values="[[1],1,2]"), "invalid_request"),
    (raw(timestamps="[true,2,3]"), "invalid_request"),
    (raw(timestamps='["1",2,3]'), "invalid_request"),
    (raw(timestamps="[null,2,3]"), "invalid_request"),
    (raw(timestamps="[1.5,2,3]"), "invalid_request"),
    (raw(timestamps="{}"), "invalid_request"),
    # series that cannot be learned from
    (raw(timestamps="[]", values="[]"), "too_few_points"),
    (raw(timestamps="[1,2]", values="[1,2]"), "too_few_points"),
    (raw(timestamps="[1,2]"), "lengths_differ"),
    (raw(timestamps="[2,1,3]"), "timestamps_not_increasing"),
    (raw(timestamps="[1,1,3]"), "timestamps_not_increasing"),
    (raw(timestamps="[-1,1,3]"), "invalid_timestamp"),
    (raw(timestamps="[1705000000000,1705000001000,1705000002000]"), "invalid_timestamp"),
    (raw(timestamps="[1,2,253402300800]"), "invalid_timestamp"),
    (raw(timestamps="[1,2,123456789012345678901234567890]"), "invalid_timestamp"),
    (raw(values="[5,5,5]"), "constant_series"),
    (raw(values="[1e300,-1e300,1]"), "values_too_large"),
    (raw(values="[1e308,1.7e308,1e308]"), "values_too_large"),
    # invalid detectors
    (raw(more=',"detector":"magic"'), "unknown_detector"),
    (raw(more=',"parameters":{"sigma":3}'), "unknown_parameter"),
    (raw(more=',"parameters":{"threshold":0}'), "invalid_parameter"),
    (raw(more=',"parameters":{"threshold":true}'), "invalid_parameter"),
    (raw(more=',"parameters":{"threshold":"3"}'), "invalid_parameter"),
    (raw(more=',"parameters":{"direction":"sideways"}'), "invalid_parameter"),
]


@pytest.mark.parametrize(
    ("body", "code"), BAD_BODIES, ids=[f"{code}-{place}" for place, (_, code) in enumerate(BAD_BODIES)]
)
def test_a_bad_body_gets_a_problem_and_nothing_is_stored(
    api: httpx.Client, artifacts: Artifacts, series_id: str, body: bytes, code: str
) -> None:
    answer = api.post(f"/fit/{series_id}", content=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(problem["detail"]) > 20
    assert len(answer.content) < 4000
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert api.get(f"/series/{series_id}").status_code == 404
    assert not (root(artifacts.data) / series_id).exists()


def test_a_problem_points_out_timestamps_in_milliseconds(api: httpx.Client, series_id: str) -> None:
    body = raw(timestamps="[1705000000000,1705000001000,1705000002000]")
    assert "milliseconds" in api.post(f"/fit/{series_id}", content=body).json()["detail"]


def test_a_problem_lists_at_most_twenty_locations(api: httpx.Client, series_id: str) -> None:
    answer = api.post(f"/fit/{series_id}", content=raw(values='[1,2,"three"]')).json()
    assert answer["errors"] == [{"loc": ["values", 2], "msg": "Expected float, got str"}]
    backwards = raw(timestamps=str(list(range(100, 0, -1))), values=str(list(range(100))))
    errors = api.post(f"/fit/{series_id}", content=backwards).json()["errors"]
    assert len(errors) == 20
    assert errors[0]["loc"] == ["timestamps", 1]


def test_a_problem_never_echoes_the_input(api: httpx.Client, series_id: str) -> None:
    secret = "s3cret-" * 50
    for body in (raw(values=f'["{secret}",1,2]'), raw(more=f',"detector":"{secret}"'), f'"{secret}"'.encode()):
        assert secret.encode() not in api.post(f"/fit/{series_id}", content=body).content


HOSTILE = [
    "..",
    "%2e%2e",
    "%2E%2e",
    ".",
    "%20",
    "a%2fb",
    "a..b",
    "x" * 129,
    "x" * 300,
    "%C3%BC",
    "a%00b",
    "a%0Ab",
    "a%20b",
    "%F0%9F%98%80",
    "a;b",
    "%ff",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_series_id_is_refused(api: httpx.Client, artifacts: Artifacts, hostile: str) -> None:
    stores = root(artifacts.data).parent
    before = {path for path in stores.rglob("*") if "home" not in path.parts}
    answer = api.send(request_to_exact_path(api, f"/fit/{hostile}"))
    assert answer.status_code in (404, 422)
    assert answer.json()["code"] in ("invalid_series_id", "route_not_found")
    assert {path for path in stores.rglob("*") if "home" not in path.parts} == before


def request_to_exact_path(api: httpx.Client, path: str) -> httpx.Request:
    """Build a request with this exact path, because clients normalize dots."""
    request = api.build_request("POST", "/", json=ramp())
    request.extensions["target"] = path.encode()
    return request


def test_too_many_points_are_refused(settings: Settings, series_id: str) -> None:
    with serving(settings.model_copy(update={"max_training_data_points": 10})) as api:
        assert api.post(f"/fit/{series_id}", json=ramp(10)).status_code == 202
        answer = api.post(f"/fit/{series_id}", json=ramp(11))
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_points")


@pytest.fixture
def empty_database(server_url: str) -> Iterator[str]:
    """A migrated database without jobs."""
    with migrated_database(server_url) as url:
        yield url


def test_a_full_queue_refuses_fits_and_says_when_to_retry(settings: Settings, empty_database: str) -> None:
    with serving(settings.model_copy(update={"database_url": empty_database, "max_queued_jobs": 2})) as api:
        waits = []
        for _ in range(3):  # the more jobs have ended in the last minute, the shorter the wait
            accepted = [api.post("/fit/full", json=ramp()) for _ in range(2)]
            answer = api.post("/fit/full", json=ramp())
            assert [first.status_code for first in accepted] == [202, 202]
            assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
            assert [api.get(first.headers["Location"]).json()["status"] for first in accepted] == ["queued"] * 2
            waits.append(int(answer.headers["Retry-After"]))
            for first in accepted:
                api.post(f"{first.headers['Location']}/cancel")
    assert waits == [6, 3, 2]


def test_a_queue_at_its_byte_limit_refuses_fits(settings: Settings, empty_database: str) -> None:
    with serving(settings.model_copy(update={"database_url": empty_database, "max_queued_bytes": 1})) as api:
        first, second = (api.post("/fit/full", json=ramp()) for _ in range(2))
        assert (first.status_code, second.status_code, second.json()["code"]) == (202, 429, "queue_full")
        api.post(f"{first.headers['Location']}/cancel")
        assert api.post("/fit/full", json=ramp()).status_code == 202


def test_a_fit_is_refused_without_a_job_if_the_store_is_not_writable(
    settings: Settings, series_id: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with serving(settings.model_copy(update={"training_data_folder": tmp_path / "file"})) as api:
        answer = api.post(f"/fit/{series_id}", json=ramp())
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert "Retry-After" in answer.headers
        assert api.get(f"/series/{series_id}").status_code == 404


def test_without_a_database_a_fit_is_refused_at_once(settings: Settings, series_id: str) -> None:
    nobody = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    with serving(settings.model_copy(update={"database_url": nobody})) as api:
        answer = api.post(f"/fit/{series_id}", json=ramp())
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert "Retry-After" in answer.headers


def test_without_redis_a_fit_is_still_accepted(settings: Settings, series_id: str) -> None:
    with serving(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})) as api:
        answer = api.post(f"/fit/{series_id}", json=ramp())
        assert answer.status_code == 202
        assert api.get(answer.headers["Location"]).json()["status"] == "queued"
