"""A bucket that hangs, as with a slow name server: everything that does not need it is answered."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import httpx
import pytest

from api import probing
from shared.artifacts import Artifacts
from shared.settings import Settings
from shared.store.engine import Sessions
from tests.gateway import Gateway
from tests.points import ramp
from tests.processes import serving
from tests.stores import BUCKET
from worker.training import Training, run

THREADS = 4  # of requests
EACH = 6  # requests of each kind that need the bucket
POINT = {"timestamp": 10**9, "value": 1}


@pytest.fixture
def bucket(s3: dict[str, str]) -> Iterator[Gateway]:
    gateway = Gateway(s3["aws_endpoint_url"])
    gateway.open()
    yield gateway
    gateway.shut()


@pytest.fixture
def bucket_settings(installation: Settings, s3: dict[str, str], bucket: Gateway) -> Settings:
    folders = {name: f"s3://{BUCKET}/hung/{name}" for name in ("training_data_folder", "model_state_folder")}
    changes = {**folders, **s3, "aws_endpoint_url": bucket.url, "database_pool_size": THREADS}
    return installation.model_copy(update=changes)


def test_requests_that_need_a_bucket_that_hangs_leave_threads_for_all_others(
    bucket_settings: Settings,
    database: Sessions,
    training: Training,
    bucket: Gateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probing, "ANSWER_S", 0.2)
    large = {"timestamps": list(range(5_000)), "values": [place % 7 for place in range(5_000)]}
    needing: list[tuple[str, str, Any]] = [
        ("POST", "/fit/a", large),
        ("POST", "/series/a/versions/1/fit", {}),
        ("GET", "/series/a/versions/1/data", None),
        ("GET", "/series/a/versions/1/points", None),
        ("GET", "/plot.svg?series_id=a", None),
        ("GET", "/ui/series/a", None),
    ]
    began = Barrier(EACH * len(needing) + 1)
    with serving(bucket_settings) as api, ThreadPoolExecutor(EACH * len(needing)) as clients:

        def send(method: str, path: str, body: Any) -> httpx.Response:
            began.wait()
            return api.request(method, path, json=body)

        job_id = api.post("/fit/a", json=ramp()).json()["job_id"]
        stores = Artifacts.of(bucket_settings)
        run(replace(training, sessions=database, artifacts=stores, settings=bucket_settings), job_id)
        assert api.post("/predict/a", json=POINT).status_code == 200
        bucket.freeze()
        try:
            waiting = [clients.submit(send, *request) for request in needing * EACH]
            began.wait()
            for _ in range(10):
                for path in ("/series", "/jobs", "/livez"):
                    assert api.get(path, timeout=5).status_code == 200
                assert api.post("/predict/a", json=POINT, timeout=5).status_code == 200
            assert api.get("/readyz", timeout=5).json()["checks"]["artifact store"].startswith("It did not answer")
            assert not all(call.done() for call in waiting)
        finally:
            bucket.thaw()
        statuses = {call.result().status_code for call in waiting}
    assert statuses <= {200, 202, 503}
    assert 202 in statuses
