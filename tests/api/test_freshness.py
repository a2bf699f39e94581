"""The latest version on every process, and after a restart of the database."""

from dataclasses import replace
from pathlib import Path

from shared.artifacts import Artifacts
from shared.embedded import Embedded
from shared.settings import Settings
from shared.store.schema import migrate
from tests.points import ramp
from tests.processes import api_process, serving, sessions_of
from tests.waiting import until
from worker.training import Training, run

POINT = {"timestamp": 1_800_000_000, "value": 2.5}


def test_the_api_survives_a_database_restart_with_errors_that_say_when_to_retry(
    settings: Settings, training: Training, session_folder: Path
) -> None:
    folder = session_folder / "restarting"
    with Embedded(folder, durable=False, valkey=False) as server:
        migrate(server.database_url)
        restarting_settings = settings.model_copy(
            update={
                "database_url": server.database_url,
                "model_state_folder": folder / "models",
                "training_data_folder": folder / "data",
            }
        )
        with sessions_of(restarting_settings) as sessions, serving(restarting_settings) as api:
            worker = replace(
                training, sessions=sessions, artifacts=Artifacts.of(restarting_settings), settings=restarting_settings
            )
            for _ in range(2):
                run(worker, api.post("/fit/a", json=ramp()).json()["job_id"])
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


def test_every_process_predicts_with_the_version_that_any_process_reported(
    settings: Settings, training: Training, series_id: str, tmp_path: Path
) -> None:
    with (
        api_process(settings, tmp_path, "--no-access-log") as (_, first),
        api_process(settings, tmp_path, "--no-access-log") as (_, second),
    ):
        for number in range(1, 201):
            fitting_client, other_client = (first, second) if number % 2 else (second, first)
            job_id = fitting_client.post(f"/fit/{series_id}", json=ramp(3)).json()["job_id"]
            run(training, job_id)
            assert fitting_client.get(f"/jobs/{job_id}").json()["version"] == str(number)
            for client in (other_client, fitting_client):
                assert client.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == str(number)
        assert first.put(f"/series/{series_id}/pin", json={"version": 7}).is_success
        assert second.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == "7"
        assert first.delete(f"/series/{series_id}/pin").is_success
        assert second.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == "200"
        assert first.delete(f"/series/{series_id}/versions/200").is_success
        assert second.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == "199"
        assert first.delete(f"/series/{series_id}").is_success
        assert second.post(f"/predict/{series_id}", json=POINT).json()["code"] == "series_not_found"
