"""The pipeline with its artifacts in an object store."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from tests.points import ramp
from tests.processes import migrated_database, serving
from tests.stores import BUCKET, names
from worker.collecting import collect
from worker.training import Training, run

GRACE_S = 3600.0


@pytest.fixture
def bucket_settings(settings: Settings, server_url: str, s3: dict[str, str]) -> Iterator[Settings]:
    folders = {name: f"s3://{BUCKET}/pipeline/{name}" for name in ("training_data_folder", "model_state_folder")}
    with migrated_database(server_url) as url:
        yield settings.model_copy(update={"database_url": url, **folders, **s3})


def test_a_fit_is_accepted_published_served_and_collected(bucket_settings: Settings, training: Training) -> None:
    stores = Artifacts.of(bucket_settings)
    sessions = Sessions(make_engine(bucket_settings, "tsad-tests"))
    with serving(bucket_settings) as api:
        assert api.get("/readyz").json()["checks"]["artifact store"] == "ok"
        job_id = api.post("/fit/a", json=ramp()).json()["job_id"]
        run(replace(training, sessions=sessions, artifacts=stores, settings=bucket_settings), job_id)
        assert api.post("/predict/a", json={"timestamp": 10**9, "value": 1}).json()["model_version"] == "1"
        assert api.get("/series/a/versions/1/data").json()["values"] == ramp()["values"]
        stored = names(stores.data) | names(stores.states)
        assert len(stored) == 3
        api.delete("/series/a").raise_for_status()
    collect(sessions, stores, GRACE_S)
    assert names(stores.data) | names(stores.states) == stored
    with sessions.begin() as session:
        session.execute(text("UPDATE garbage SET noted_at = noted_at - interval '2 h'"))
    collect(sessions, stores, GRACE_S)
    assert names(stores.data) | names(stores.states) == set()
    sessions.engine.dispose()


def test_fits_get_503_while_the_bucket_is_unavailable(bucket_settings: Settings) -> None:
    without_bucket = bucket_settings.model_copy(update={"training_data_folder": "s3://elsewhere"})
    with serving(without_bucket) as api:
        assert api.get("/readyz").status_code == 503
        answer = api.post("/fit/a", json=ramp())
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert answer.headers["Retry-After"]
