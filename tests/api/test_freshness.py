"""What is latest, on every process and after a restart of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from shared.artifacts import Artifacts
from shared.embedded import Embedded
from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store.schema import migrate
from tests.points import ramp
from tests.processes import running, serving, sessions_of
from tests.waiting import until
from worker.training import Training, run

POINT = {"timestamp": 1_800_000_000, "value": 2.5}


def test_a_database_that_restarts_costs_errors_that_say_when_to_come_back_and_no_restart_of_the_api(
    settings: Settings, training: Training, session_folder: Path
) -> None:
    folder = session_folder / "restarting"
    with Embedded(folder, durable=False, valkey=False) as server:
        migrate(server.database_url)
        own = settings.model_copy(
            update={
                "database_url": server.database_url,
                "model_state_folder": folder / "models",
                "training_data_folder": folder / "data",
            }
        )
        with sessions_of(own) as sessions, serving(own) as api:
            fitting = replace(training, sessions=sessions, artifacts=Artifacts.of(own), settings=own)
            for _ in range(2):
                run(fitting, api.post("/fit/a", json=ramp()).json()["job_id"])
            assert api.post("/predict/a?version=1", json=POINT).status_code == 200
            assert api.post("/predict/a", json=POINT).json()["model_version"] == "2"
            server.postgres.stop()
            for path in ("/predict/a", "/fit/a", "/predict/b?version=1"):
                answer = api.post(path, json=POINT if "predict" in path else ramp())
                assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), path
                assert int(answer.headers["Retry-After"]) >= 1
            assert api.post("/predict/a?version=1", json=POINT).status_code == 200
            assert api.get("/readyz").status_code == 503
            assert api.get("/livez").status_code == 200
            server.postgres.start()
            until(lambda: api.post("/predict/a", json=POINT).status_code == 200)
            assert api.post("/predict/a", json=POINT).json()["model_version"] == "2"
            assert api.post("/fit/a", json=ramp()).status_code == 202
            assert api.get("/readyz").status_code == 200


@contextmanager
def process(settings: Settings, folder: Path) -> Iterator[httpx.Client]:
    """An API process of its own."""
    port = free_port()
    serve = ("uvicorn", "api.main:create_app", "--factory", f"--port={port}", "--no-access-log")
    with (
        running(settings, folder, *serve) as started,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client,
    ):
        until(lambda: b"running on" in started.log.read_bytes(), 20)
        yield client


def test_what_any_process_told_of_a_series_is_what_every_process_predicts_with(
    settings: Settings, training: Training, series_id: str, tmp_path: Path
) -> None:
    with process(settings, tmp_path) as one, process(settings, tmp_path) as other:
        for number in range(1, 201):
            teller, asked = (one, other) if number % 2 else (other, one)
            job_id = teller.post(f"/fit/{series_id}", json=ramp(3)).json()["job_id"]
            run(training, job_id)
            assert teller.get(f"/jobs/{job_id}").json()["version"] == str(number)
            for client in (asked, teller):
                assert client.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == str(number)
        assert one.put(f"/series/{series_id}/pin", json={"version": 7}).is_success
        assert other.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == "7"
        assert one.delete(f"/series/{series_id}/pin").is_success
        assert other.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == "200"
        assert one.delete(f"/series/{series_id}/versions/200").is_success
        assert other.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == "199"
        assert one.delete(f"/series/{series_id}").is_success
        assert other.post(f"/predict/{series_id}", json=POINT).json()["code"] == "series_not_found"
