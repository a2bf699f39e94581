"""Fits that fail, lose their job, or end in a way that the worker does not learn."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import text

from shared.domain import detectors
from shared.embedded.ports import free_port
from shared.errors import Code, FitError, UnavailableError
from shared.metrics import Metrics
from shared.store import attempts, jobs, versions
from shared.store.engine import Sessions
from tests.processes import sessions_of
from tests.stores import root
from tests.waiting import until
from tests.worker.fits import fitting, outcome_counts, status_of
from worker.training import Training, run


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
