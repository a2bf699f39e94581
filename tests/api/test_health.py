import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import redis

from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store.schema import migrate
from tests.processes import migrated_database, new_database, serving
from tests.waiting import until


@pytest.fixture
def without_latencies(settings: Settings, redis_url: str) -> Settings:
    """Settings with an empty Redis database."""
    empty = redis_url.rsplit("/", 1)[0] + "/2"
    with redis.Redis.from_url(empty) as client:
        client.flushdb()
    return settings.model_copy(update={"redis_url": empty})


def test_the_process_is_alive_without_any_server(settings: Settings) -> None:
    unreachable = {
        "database_url": f"postgresql://x@127.0.0.1:{free_port()}/x",
        "redis_url": f"redis://127.0.0.1:{free_port()}",
    }
    with serving(settings.model_copy(update=unreachable)) as api:
        assert api.get("/livez").status_code == 200
        answer = api.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert api.get("/healthcheck").json()["code"] == "database_unavailable"


def test_without_redis_the_service_is_degraded_but_ready(settings: Settings) -> None:
    with serving(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})) as api:
        answer = api.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["status"] == "degraded"
        assert answer.json()["checks"]["redis"] == "unavailable"


def test_a_schema_of_another_release_is_not_ready(settings: Settings, server_url: str) -> None:
    with new_database(server_url) as url, serving(settings.model_copy(update={"database_url": url})) as api:
        answer = api.get("/readyz")
        assert answer.status_code == 503
        assert "schema is empty" in answer.json()["checks"]["database"]
        assert "run `tsad migrate`; in a home of `tsad up`, restart `tsad up`" in answer.json()["checks"]["database"]
        migrate(url)
        assert api.get("/readyz").status_code == 200


def test_a_store_that_cannot_be_written_is_not_ready(settings: Settings) -> None:
    file = Path(settings.training_data_folder, "file")
    with serving(settings.model_copy(update={"model_state_folder": file})) as api:
        file.parent.mkdir(exist_ok=True)
        file.touch()
        assert api.get("/readyz").status_code == 503
        file.unlink()


def test_a_prediction_counts_in_the_next_healthcheck_of_its_process(
    without_latencies: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    with serving(without_latencies) as api:
        assert api.get("/healthcheck").json()["inference_latency_ms"]["avg"] == 0
        assert api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 1}).status_code == 200
        assert api.get("/healthcheck").json()["inference_latency_ms"]["avg"] > 0


def test_predictions_under_the_prefix_of_a_proxy_are_recorded_too(
    without_latencies: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    with serving(without_latencies, root_path="/tsad") as api:
        assert api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 1}).status_code == 200
        assert api.get("/healthcheck").json()["inference_latency_ms"]["avg"] > 0


def test_the_healthcheck_of_an_empty_installation_is_all_zeros(
    settings: Settings, server_url: str, redis_url: str
) -> None:
    empty = redis_url.rsplit("/", 1)[0] + "/8"
    with (
        migrated_database(server_url) as url,
        serving(settings.model_copy(update={"database_url": url, "redis_url": empty})) as api,
    ):
        zero = {"avg": 0.0, "p95": 0.0}
        assert api.get("/healthcheck").json() == {
            "series_trained": 0,
            "inference_latency_ms": zero,
            "training_latency_ms": zero,
        }


def test_the_healthcheck_counts_series_and_shows_latencies(
    api: httpx.Client, settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 1})
    until(lambda: api.get("/healthcheck").json()["inference_latency_ms"]["avg"] > 0)
    until(lambda: api.get("/healthcheck").json()["training_latency_ms"]["p95"] > 0)
    with serving(settings) as fresh:  # counts now; another process may serve a cached count for a few seconds
        assert fresh.get("/healthcheck").json()["series_trained"] >= 1


def test_the_healthcheck_stays_up_when_redis_is_down(settings: Settings) -> None:
    with serving(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})) as api:
        began = time.monotonic()
        answer = api.get("/healthcheck")
        assert time.monotonic() - began < 5
    assert answer.status_code == 200
    assert answer.json()["telemetry"] == "unavailable"
    assert answer.json()["inference_latency_ms"] == {"avg": 0.0, "p95": 0.0}


def test_refused_predictions_do_not_count_as_latencies(settings: Settings, redis_url: str, series_id: str) -> None:
    other = redis_url.rsplit("/", 1)[0] + "/7"
    with serving(settings.model_copy(update={"redis_url": other})) as api:
        api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 1})
    with serving(settings.model_copy(update={"redis_url": other})) as api:  # stopping wrote all pending latencies
        assert api.get("/healthcheck").json()["inference_latency_ms"]["avg"] == 0.0
