"""Rate limits of a key, and its limit on open jobs."""

import re
from collections.abc import Iterator

import httpx
import pytest

from api.chain import rates
from api.main import create_app
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.keys import Key, MakeKey
from tests.points import ramp
from tests.processes import make_settings, serving

POINT = {"timestamp": 1, "value": 1}


@pytest.fixture(scope="module")
def limited(keyed_settings: Settings, root: Key) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two processes that share the rate limits of keys."""
    limits = {"fit_rate_per_minute": 3, "predict_rate_per_minute": 5, "push_rate_per_minute": 1}
    limits["max_queued_jobs_per_key"] = 2
    limited_settings = keyed_settings.model_copy(update=limits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "ANSWER_WITHIN_S", 5.0)  # so that no process counts alone, even on a busy machine
        with serving(limited_settings) as first, serving(limited_settings) as second:
            yield first, second


def test_a_key_over_its_rate_limit_learns_when_to_retry(
    limited: tuple[httpx.Client, httpx.Client], make_key: MakeKey
) -> None:
    key = make_key()
    for attempt in range(5):
        assert limited[attempt % 2].post("/predict/never-fitted", json=POINT, auth=key).status_code == 404
    for api in limited:
        refused = api.post("/predict/never-fitted", json=POINT, auth=key)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 12
        for path in ("/predict", "/predict/never-fitted/batch"):
            assert api.post(path, json={}, auth=key).status_code == 429


def test_fits_predictions_pushes_and_keys_are_counted_separately(
    limited: tuple[httpx.Client, httpx.Client], make_key: MakeKey
) -> None:
    api, key = limited[0], make_key()
    for _ in range(3):
        assert api.post("/fit/a", content=b"{", auth=key).status_code == 422
    for path in ("/fit/a", "/fit", "/series/a/versions/1/fit"):
        assert api.post(path, content=b"{", auth=key).status_code == 429
    assert api.get("/series", auth=key).status_code == 200
    assert api.post("/predict/never-fitted", json=POINT, auth=key).status_code == 404
    assert api.post("/points", content=b"{", auth=key).status_code == 200
    refused = api.post("/api/v2/write", content=b"m v=1", auth=key)
    assert (refused.status_code, refused.json()["code"]) == (503, "rate_limited")  # so that senders repeat it
    assert api.post("/fit/a", content=b"{", auth=make_key()).status_code == 422


def test_without_redis_each_process_counts_alone(keyed_settings: Settings, make_key: MakeKey) -> None:
    without_redis = {"predict_rate_per_minute": 2, "redis_url": f"redis://127.0.0.1:{free_port()}/0"}
    key = make_key()
    for _ in range(2):
        with serving(keyed_settings.model_copy(update=without_redis)) as api:
            answers = [api.post("/predict/never-fitted", json=POINT, auth=key).status_code for _ in range(4)]
        assert answers == [404, 404, 429, 429]


def test_without_a_rate_limit_nothing_is_counted(keyed: httpx.Client, root: Key) -> None:
    answers = {keyed.post("/predict/never-fitted", json=POINT, auth=root).status_code for _ in range(50)}
    assert answers == {404}


def test_a_key_has_a_limit_on_open_jobs(
    limited: tuple[httpx.Client, httpx.Client], keyed: httpx.Client, make_key: MakeKey, series_id: str
) -> None:
    key = make_key()
    sent = [limited[0].post(f"/fit/{series_id}-{number}", json=ramp(), auth=key) for number in range(3)]
    assert [answer.status_code for answer in sent] == [202, 202, 429]
    assert sent[2].json()["code"] == "queue_full"
    assert "key" in sent[2].json()["detail"]
    job_id = sent[0].json()["job_id"]
    assert keyed.post(f"/jobs/{job_id}/cancel", auth=key).status_code == 200
    assert limited[1].post(f"/jobs/{job_id}/retry", auth=make_key()).status_code == 202
    lines = b"\n".join(b'{"series_id":"%b-%d"}' % (series_id.encode(), number) for number in range(2))
    assert limited[1].post("/fit", content=lines, auth=make_key()).status_code == 200


def test_every_route_that_fits_predicts_or_pushes_counts_as_that() -> None:
    app = create_app(make_settings(database_url="postgresql://localhost/tsad", redis_url="redis://localhost"))
    kinds = {
        path: rates._kind({"type": "http", "method": "POST", "path": re.sub(r"{\w+}", "x", path)})  # noqa: SLF001
        for path, methods in app.openapi()["paths"].items()
        if "post" in methods
    }
    fitting = {"/fit", "/fit/{series_id}", "/jobs/{job_id}/retry", "/series/{series_id}/versions/{version}/fit"}
    fitting |= {"/series/{series_id}/refit", "/simulate"}
    assert {path for path, kind in kinds.items() if kind == "fit"} == fitting
    pushing = {"/series/{series_id}/points", "/points", "/api/v1/write", "/api/v2/write", "/write"}
    assert {path for path, kind in kinds.items() if kind == "push"} == pushing
    assert {path for path, kind in kinds.items() if kind == "predict"} == {path for path in kinds if "predict" in path}
    for path in ("/predictions", "/fit/a/b/c", "/fitting", "/series/a/b/c/d/fit", "/jobs/a/b/retry"):
        assert rates._kind({"type": "http", "method": "POST", "path": path}) is None  # noqa: SLF001
