import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from sqlalchemy import text

from shared import logs
from shared.domain import detectors
from shared.domain.training_scores import TrainingScores
from shared.embedded.ports import free_port
from shared.errors import Code, FitError, UnavailableError
from shared.metrics import Metrics
from shared.store import attempts, jobs, versions
from shared.store.engine import Sessions
from tests.points import ramp
from tests.processes import sessions_of
from tests.stores import root
from tests.waiting import until
from worker import training as trainings
from worker.training import Training, run

if TYPE_CHECKING:
    from shared.domain.detectors.contract import Detector


@pytest.fixture
def job_id(api: httpx.Client, series_id: str) -> str:
    return str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"])


def status_of(api: httpx.Client, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = api.get(f"/jobs/{job_id}").json()
    return job


def outcome_counts(training: Training) -> dict[str, float]:
    """Return the number of attempts by outcome, from the metrics of a worker."""
    return {
        sample.labels["outcome"]: sample.value
        for metric in training.metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "tsad_job_seconds_count" and sample.labels["detector"] == "baseline"
    }


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


@contextmanager
def fitting(monkeypatch: pytest.MonkeyPatch, fit: Any) -> Iterator[None]:
    """Replace the fit of the baseline detector."""
    real = detectors.named("baseline")
    fake: Detector[Any] = replace(real, fit=fit)
    with monkeypatch.context() as patch:
        patch.setattr(trainings, "named", lambda _: fake)
        yield


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FitError(Code.FIT_FAILED, "These points cannot be fitted."), "fit_failed"),
        (ZeroDivisionError("x"), "fit_failed"),
    ],
)
def test_a_math_error_fails_the_job_with_a_code_and_a_sentence(
    training: Training,
    api: httpx.Client,
    series_id: str,
    job_id: str,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    with fitting(monkeypatch, fail):
        run(training, job_id)
    job = status_of(api, job_id)
    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", code, False)
    assert job["error"]["detail"].endswith(".")
    assert api.get(f"/series/{series_id}").json()["versions"] == 0


def test_damaged_training_data_fails_the_job(
    training: Training, api: httpx.Client, series_id: str, job_id: str
) -> None:
    (root(training.artifacts.data) / series_id / f"{job_id}.npz").write_bytes(b"not what was stored")
    counting = replace(training, metrics=Metrics())
    run(counting, job_id)
    assert outcome_counts(counting) == {"failed": 1}
    job = status_of(api, job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "artifact_damaged")


def test_an_infrastructure_failure_requeues_the_job(
    training: Training, api: httpx.Client, series_id: str, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_with_disk_full(*_: object) -> None:
        raise UnavailableError(Code.STORE_UNAVAILABLE, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(training.artifacts.states), "put", fail_with_disk_full)
        counting = replace(training, metrics=Metrics())
        run(counting, job_id)
        assert outcome_counts(counting) == {"released": 1}
    job = status_of(api, job_id)
    assert (job["status"], job["error"], job["attempts"]) == ("queued", None, 1)
    until(lambda: status_of(api, job_id)["status"] == "succeeded", meanwhile=lambda: run(training, job_id))
    assert status_of(api, job_id)["attempts"] == 2


def test_a_worker_that_shuts_down_requeues_its_job_at_once(
    training: Training, api: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise SystemExit

    with fitting(monkeypatch, stop), pytest.raises(SystemExit):
        run(training, job_id)
    assert status_of(api, job_id)["status"] == "queued"
    run(training, job_id)
    assert status_of(api, job_id)["status"] == "succeeded"


def test_an_attempt_that_lost_its_job_publishes_nothing(
    training: Training,
    sessions: Sessions,
    api: httpx.Client,
    series_id: str,
    job_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = detectors.named("baseline").fit
    fits: list[Any] = []

    def slow(*arguments: Any) -> Any:
        fits.append(arguments)
        if len(fits) > 1:  # of a fold, which is held out
            return real(*arguments)
        with sessions.begin() as session:  # its lease expires, and another attempt takes over the job
            claimed = jobs.find(session, [job_id])[job_id]
            session.execute(
                text("UPDATE fit_jobs SET status = 'queued', lease_until = NULL WHERE id = :id"), {"id": job_id}
            )
        with sessions.begin() as session:
            assert claimed.attempts == 1
            assert attempts.claim(session, job_id, "another", 60)
        return real(*arguments)

    without_heartbeats = training.settings.model_copy(update={"heartbeat_s": 60})  # only publishing notices the loss
    counting = replace(training, metrics=Metrics(), settings=without_heartbeats)
    with fitting(monkeypatch, slow):
        run(counting, job_id)
    assert outcome_counts(counting) == {"lost": 1}
    assert counting.metrics.registry.get_sample_value("tsad_fencing_rejections_total") == 1
    job = status_of(api, job_id)
    assert (job["status"], job["worker"], job["attempts"]) == ("running", "another", 2)
    assert api.get(f"/series/{series_id}").json()["versions"] == 0


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


def test_a_fit_that_lacks_memory_says_so_and_can_be_retried(
    training: Training, api: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: Any) -> None:
        np.empty(2**58)

    with fitting(monkeypatch, no_memory):
        run(training, job_id)
    error = status_of(api, job_id)["error"]
    assert (error["code"], error["retryable"]) == ("out_of_memory", True)
    assert "20 points" in error["detail"]


def test_a_claim_without_a_database_is_logged_in_one_sentence(
    training: Training, job_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    unreachable = training.settings.model_copy(update={"database_url": f"postgresql://x@127.0.0.1:{free_port()}/x"})
    with sessions_of(unreachable) as sessions:
        run(replace(training, sessions=sessions), job_id)
    assert f"job {job_id}: not claimed" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_fit_that_takes_too_long_fails_and_can_be_retried(
    training: Training, api: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(_series: Any, _parameters: Any, progress: Any) -> None:
        until(lambda: progress(0.1))  # returns when the job is lost

    limits = {"heartbeat_s": 0.02, "fit_time_limit_s": 0}
    with fitting(monkeypatch, endless):
        run(replace(training, settings=training.settings.model_copy(update=limits)), job_id)
    job = status_of(api, job_id)
    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", "fit_timeout", True)


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_with_an_unknown_outcome_is_resolved_by_reading_the_row(
    training: Training,
    api: httpx.Client,
    series_id: str,
    job_id: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    committed: bool,
) -> None:
    real = versions.publish
    phases: list[str] = []

    class BreakingSessions(Sessions):
        @contextmanager
        def statement(self) -> Iterator[Any]:
            publishing = False
            with super().begin() as session:  # a transaction that the test can break
                yield session
                publishing = phases[-1:] == ["now"]
                if publishing and not committed:
                    phases.append("gone")
                    raise UnavailableError(Code.DATABASE_UNAVAILABLE, "lost before the commit")
            if publishing:
                phases.append("gone")
                raise UnavailableError(Code.DATABASE_UNAVAILABLE, "lost after the commit")

    def publish(*arguments: Any) -> Any:
        number = real(*arguments)
        if not phases:
            phases.append("now")
        return number

    monkeypatch.setattr(versions, "publish", publish)
    run(replace(training, sessions=BreakingSessions(training.sessions.engine)), job_id)
    assert phases == ["now", "gone"]
    job = status_of(api, job_id)
    assert (job["status"], job["version"], job["attempts"]) == ("succeeded", "1", 1)
    assert api.get(f"/series/{series_id}").json()["versions"] == 1


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
