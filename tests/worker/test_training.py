"""Fits as a worker makes them: from a message to a version."""

import json
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from shared import logs
from shared.domain import detectors
from shared.domain.training_scores import TrainingScores
from shared.metrics import Metrics
from shared.store import attempts, versions
from shared.store.engine import Sessions
from tests.points import ramp
from tests.stores import root
from tests.waiting import until
from tests.worker.fits import fitting, outcome_counts, status_of
from worker.training import Training, run


def test_a_fit_publishes_a_version_with_state_and_training_scores(
    training: Training, api: httpx.Client, series_id: str, job_id: str
) -> None:
    counting = replace(training, metrics=Metrics())
    run(counting, job_id)
    assert outcome_counts(counting) == {"succeeded": 1}
    with training.sessions.begin() as session:
        version = versions.find(session, series_id, None)
    assert version is not None
    assert (version.version, version.job_id) == (1, job_id)
    assert version.state.key == f"{series_id}/{job_id}.1.json"
    scores = TrainingScores.decode(training.artifacts.states.get(version.scores))
    assert scores.index.tolist() == list(range(20))
    values = np.array(ramp()["values"])
    for third in (slice(0, 6), slice(6, 13), slice(13, 20)):  # each judged by what the others taught
        others = np.delete(values, third)
        expected = np.abs(values[third] - others.mean()) / (3 * others.std())
        assert scores.score[third] == pytest.approx(expected, rel=1e-6)


def test_a_second_delivery_of_the_same_job_changes_nothing(
    training: Training, api: httpx.Client, series_id: str, job_id: str
) -> None:
    run(training, job_id)
    before = status_of(api, job_id)
    run(training, job_id)
    assert status_of(api, job_id) == before
    assert api.get(f"/series/{series_id}").json()["versions"] == 1


@pytest.mark.parametrize("job_id", ["00000000-0000-4000-8000-000000000000", "no job", "", "x" * 1000, "'; --"])
def test_a_message_for_an_unknown_job_is_ignored(training: Training, job_id: str) -> None:
    run(training, job_id)


def test_a_later_fit_of_a_series_waits_for_the_earlier_and_is_announced_after_it(
    training: Training, api: httpx.Client, series_id: str, job_id: str
) -> None:
    later = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    run(training, later)
    assert status_of(api, later)["status"] == "queued"
    announced: list[str] = []
    run(replace(training, announce=announced.append), job_id)
    assert announced == [later]
    run(training, later)
    assert status_of(api, later)["version"] == "2"


def test_a_message_that_arrives_while_the_previous_job_ends_is_not_lost(
    training: Training, api: httpx.Client, job_id: str, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    real = attempts.message_spent
    announced: list[str] = []

    def ended_first(*arguments: Any) -> bool:
        monkeypatch.undo()
        run(replace(training, announce=announced.append), job_id)
        return real(*arguments)

    monkeypatch.setattr(attempts, "message_spent", ended_first)
    run(training, later)
    assert announced == []
    assert status_of(api, later)["version"] == "2"


def test_a_fit_renews_its_lease_and_reports_progress(
    training: Training, sessions: Sessions, api: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = detectors.named("baseline").fit
    quick_training = replace(training, settings=training.settings.model_copy(update={"heartbeat_s": 0.02}))
    reported: list[float] = []

    def slow(series: Any, parameters: Any, progress: Any) -> Any:
        progress(0.5)
        until(lambda: 0.5 in reported, meanwhile=lambda: reported.append(status_of(api, job_id)["progress"]))
        return real(series, parameters, progress)

    with fitting(monkeypatch, slow):
        run(quick_training, job_id)
    assert 0.5 in reported
    assert status_of(api, job_id)["progress"] == 1.0


def test_artifact_names_contain_the_attempt(training: Training, series_id: str, job_id: str) -> None:
    run(training, job_id)
    states = root(training.artifacts.states) / series_id
    assert {file.name for file in states.iterdir()} == {f"{job_id}.1.json", f"{job_id}.1.scores.npz"}


def test_log_lines_of_a_fit_contain_its_request_id(
    training: Training, api: httpx.Client, series_id: str, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(training.settings.model_copy(update={"log_format": "json"}))
    accepted = api.post(f"/fit/{series_id}", json=ramp(), headers={"X-Request-ID": "follow-me"})
    job_id = accepted.json()["job_id"]
    run(training, job_id)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "follow-me" in line]
    messages = {line["logger"]: line["message"] for line in lines if line.get("job_id") == job_id}
    assert messages["shared.fitting.accepting"] == f"job {job_id} of {series_id} accepted"
    assert messages["worker.training"] == f"job {job_id}: published version 1 of {series_id}"
