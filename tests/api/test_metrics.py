"""GET /metrics: counters summed over all processes, and current gauges."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from api.chain import connections, rates
from shared.embedded.ports import free_port
from shared.metrics import Metrics, Publisher
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from tests.keys import Key, key_maker
from tests.points import ramp
from tests.processes import migrated_database, serving
from tests.waiting import until
from tests.wire import wired

Fitted = Callable[..., str]
REFUSALS = {
    "unauthenticated": 2,
    "forbidden": 1,
    "foreign_origin": 1,
    "body_too_large": 1,
    "rate_limited": 1,
    "unknown_host": 1,
    "head_too_large": 1,
}
CLOSED = {"malformed_request": 1, "incomplete_head": 1}  # connections: counted, but not logged


@pytest.fixture(scope="module")
def metrics_settings(settings: Settings, redis_url: str) -> Iterator[Settings]:
    """A Redis database that no other process writes to."""
    empty_redis = redis_url.rsplit("/", 1)[0] + "/3"
    with redis.Redis.from_url(empty_redis) as client:
        client.flushdb()
        yield settings.model_copy(update={"redis_url": empty_redis})
        client.flushdb()


@pytest.fixture(scope="module")
def two_apis(metrics_settings: Settings) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two APIs that count as separate processes in Redis."""
    with serving(metrics_settings) as first, serving(metrics_settings) as second:
        yield first, second


def value(client: httpx.Client, name: str, auth: Key | None = None, /, **labels: Any) -> float | None:
    """The value of one sample in a scrape."""
    expected = {key: str(label) for key, label in labels.items()}
    samples = (
        sample
        for family in text_string_to_metric_families(client.get("/metrics", auth=auth).text)
        for sample in family.samples
        if sample.name == name and expected.items() <= sample.labels.items()
    )
    return next((sample.value for sample in samples), None)


def test_requests_to_all_processes_are_counted_together_by_route_and_status(
    two_apis: tuple[httpx.Client, httpx.Client], fitted: Fitted, series_id: str
) -> None:
    fitted(series_id)
    for client in two_apis:
        for place in range(3):
            client.post(f"/predict/{series_id}", json={"timestamp": place, "value": 1.0})
        client.post(f"/predict/{series_id}", json={"timestamp": 1})
        client.get(f"/series/{series_id}")
    predict = {"method": "POST", "route": "/predict/{series_id}"}
    until(lambda: value(two_apis[0], "tsad_requests_total", **predict, status=200) == 6)
    until(lambda: value(two_apis[0], "tsad_requests_total", **predict, status=422) == 2)
    until(lambda: value(two_apis[0], "tsad_requests_total", method="GET", route="/series/{series_id}", status=200) == 2)
    for client in two_apis:
        assert value(client, "tsad_request_seconds_count", **predict) == 8
        assert value(client, "tsad_request_seconds_bucket", **predict, le="+Inf") == 8
        assert value(client, "tsad_state_lookups_total", result="miss") == 2
        assert value(client, "tsad_state_lookups_total", result="hit") == 4


def test_clients_cannot_add_label_values(two_apis: tuple[httpx.Client, httpx.Client]) -> None:
    client, _ = two_apis
    for method in ("PURGE", "PROPFIND", "PATCH"):
        client.get(f"/nowhere/{method}")
        client.request(method, "/series")
    until(lambda: value(client, "tsad_requests_total", method="GET", route="none", status=404) == 3)
    until(lambda: value(client, "tsad_requests_total", method="other", status=405) == 3)
    assert "PURGE" not in client.get("/metrics").text


def test_every_refusal_is_counted_by_code_and_logged(
    metrics_settings: Settings, capsys: pytest.CaptureFixture[str], server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "ANSWER_WITHIN_S", 5.0)  # so that Redis counts the rate even on a busy machine
    with migrated_database(server_url) as url:
        bounds = {"database_url": url, "predict_rate_per_minute": 1, "max_body_bytes": 1024, "allowed_hosts": "ours"}
        sessions = Sessions(make_engine(metrics_settings.model_copy(update=bounds), "tsad-tests"))
        root, reader = key_maker(sessions)(), key_maker(sessions)("read")
        with serving(metrics_settings.model_copy(update=bounds)) as api:
            api.headers["Host"] = "ours"
            before = {code: value(api, "tsad_refusals_total", root, code=code) or 0 for code in REFUSALS | CLOSED}
            api.get("/series", headers={"Accept": "application/json"})
            api.post("/ui/login", data={"key": "guessed"})
            api.delete("/series/a", auth=reader)
            api.delete("/series/a", auth=root, headers={"Origin": "https://elsewhere.example"})
            api.post("/fit/a", content=b" " * 1025, auth=root)
            for _ in range(2):
                api.post("/predict/a", content=b"{}", auth=root)
            api.get("/series", headers={"Host": "theirs"}, auth=root)
            api.get(f"/series?prefix={'a' * 9000}", auth=root)
            with monkeypatch.context() as patch:
                patch.setattr(connections, "HEAD_WITHIN_S", 0.1)
                for sent in (b"no HTTP\r\n\r\n", b"GET /livez HT"):
                    with wired(api) as wire:
                        wire.send(sent)
                        while wire.connection.recv(1000):
                            pass

            def counted() -> dict[str, float]:
                now = {code: value(api, "tsad_refusals_total", root, code=code) or 0 for code in REFUSALS | CLOSED}
                return {code: now[code] - before[code] for code in now}

            until(lambda: counted() == REFUSALS | CLOSED)
        sessions.engine.dispose()
    log = capsys.readouterr().err
    for code, times in REFUSALS.items():
        assert log.count(f"refused: {code}") >= times
    assert root.token not in log
    assert "guessed" not in log


def test_the_queue_and_the_size_of_versions_are_reported(
    two_apis: tuple[httpx.Client, httpx.Client], fitted: Fitted, series_id: str
) -> None:
    client, _ = two_apis
    fitted(series_id)
    before = value(client, "tsad_open_jobs", status="queued")
    assert before is not None
    job_id = client.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    assert value(client, "tsad_open_jobs", status="queued") == before + 1
    assert (value(client, "tsad_oldest_queued_seconds") or 0) > 0
    for kind in ("data", "state", "scores"):
        assert (value(client, "tsad_artifact_bytes", kind=kind) or 0) > 0
    client.post(f"/jobs/{job_id}/cancel")
    client.post(f"/jobs/{job_id}/retry")
    until(lambda: value(client, "tsad_retries_total") == 1)
    assert client.delete(f"/series/{series_id}").is_success


def test_only_the_metrics_of_an_unavailable_server_are_missing(metrics_settings: Settings) -> None:
    closed = f"127.0.0.1:{free_port()}"
    for name, url, missing, present in (
        ("database", f"postgresql://{closed}/tsad", "tsad_open_jobs", "tsad_messages_waiting"),
        ("redis", f"redis://{closed}/0", "tsad_messages_waiting", "tsad_open_jobs"),
    ):
        changes = {f"{name}_url": url, "auth": "off"}  # keys are in the database
        with serving(metrics_settings.model_copy(update=changes)) as client:
            assert value(client, "tsad_server_up", server=name) == 0
            assert value(client, missing) is None
            assert value(client, present) is not None


def test_counts_that_redis_missed_are_added_later_exactly_once(metrics_settings: Settings) -> None:
    metrics = Metrics()
    with redis.Redis.from_url(metrics_settings.redis) as client, serving(metrics_settings) as api:
        client.set("tsad:metrics", "not a hash, so nothing can be added")
        publisher = Publisher(metrics, client)
        metrics.fencing_rejections.inc(3)
        publisher.flush()
        client.delete("tsad:metrics")
        metrics.fencing_rejections.inc()
        publisher.flush()
        publisher.close()
        assert value(api, "tsad_fencing_rejections_total") == 4


def test_requests_for_the_openapi_document_are_counted_under_its_route(
    two_apis: tuple[httpx.Client, httpx.Client],
) -> None:
    client, _ = two_apis
    assert client.get("/openapi.json").status_code == 200
    labels = {"method": "GET", "route": "/openapi.json", "status": 200}
    until(lambda: value(client, "tsad_requests_total", **labels), 10)
