"""The pipeline with its artifacts in an object store."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.schema import migrate
from tests.points import ramp
from tests.processes import new_database, serving
from tests.stores import BUCKET, names
from worker.collecting import collect
from worker.training import Training, run

GRACE_S = 3600.0


@pytest.fixture
def in_bucket(settings: Settings, server_url: str, s3: dict[str, str]) -> Iterator[Settings]:
    folders = {name: f"s3://{BUCKET}/pipeline/{name}" for name in ("training_data_folder", "model_state_folder")}
    with new_database(server_url) as url:
        migrate(url)
        yield settings.model_copy(update={"database_url": url, **folders, **s3})


def test_a_fit_is_accepted_published_served_and_collected(in_bucket: Settings, training: Training) -> None:
    stores = Artifacts.of(in_bucket)
    sessions = Sessions(make_engine(in_bucket, "tsad-tests"))
    with serving(in_bucket) as api:
        assert api.get("/readyz").json()["checks"]["artifact store"] == "ok"
        job_id = api.post("/fit/a", json=ramp()).json()["job_id"]
        run(replace(training, sessions=sessions, artifacts=stores, settings=in_bucket), job_id)
        assert api.post("/predict/a", json={"timestamp": 10**9, "value": 1}).json()["model_version"] == "1"
        assert api.get("/series/a/versions/1/data").json()["values"] == ramp()["values"]
        kept = names(stores.data) | names(stores.states)
        assert len(kept) == 3
        api.delete("/series/a").raise_for_status()
    collect(sessions, stores, GRACE_S)
    assert names(stores.data) | names(stores.states) == kept
    with sessions.begin() as session:
        session.execute(text("UPDATE garbage SET noted_at = noted_at - interval '2 h'"))
    collect(sessions, stores, GRACE_S)
    assert names(stores.data) | names(stores.states) == set()
    sessions.engine.dispose()


def test_fits_are_answered_503_while_the_bucket_is_away(in_bucket: Settings) -> None:
    away = in_bucket.model_copy(update={"training_data_folder": "s3://elsewhere"})
    with serving(away) as api:
        assert api.get("/readyz").status_code == 503
        answer = api.post("/fit/a", json=ramp())
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert answer.headers["Retry-After"]
