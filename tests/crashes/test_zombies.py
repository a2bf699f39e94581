"""A worker suspended past its lease, which resumes with a version of a job that it no longer owns."""

import os
import signal
from collections.abc import Iterator

import pytest

from shared.store import jobs, series
from tests.crashes.stack import PATIENCE_S, Stack
from tests.processes import Process, wait_for_worker
from tests.waiting import until


@pytest.fixture(scope="module")
def worker(stack: Stack) -> Iterator[Process]:
    """A worker with several children, next to an API and a reconciler."""
    with stack.run("api"), stack.run("reconciler"), stack.run("worker") as process:
        wait_for_worker(process, PATIENCE_S)
        yield process


@pytest.fixture
def suspended(stack: Stack, worker: Process, series_id: str) -> Iterator[tuple[str, int]]:
    """A job id, and the process id of its first attempt, stopped just before it publishes."""
    (stack.armed / "hold").touch()
    job_id = stack.fit(series_id)
    until((stack.armed / f"holds~{job_id}").exists, PATIENCE_S)
    pid = int((stack.armed / f"holds~{job_id}").read_text())
    os.kill(pid, signal.SIGSTOP)
    (stack.armed / "hold").unlink()
    yield job_id, pid
    os.kill(pid, signal.SIGCONT)


def resume(stack: Stack, worker: Process, job_id: str, pid: int) -> None:
    """Continue the process, and wait until it notices that it lost its job."""
    os.kill(pid, signal.SIGCONT)
    log_lines = (f"job {job_id}: attempt 1 lost the job", f"job {job_id}: lost, and its fit did not stop")
    until(lambda: any(line in worker.log.read_text() for line in log_lines), PATIENCE_S)
    until(lambda: not stack.orphans(), PATIENCE_S)


def test_a_suspended_worker_whose_job_another_worker_fitted_changes_nothing(
    stack: Stack, worker: Process, series_id: str, suspended: tuple[str, int]
) -> None:
    job_id, pid = suspended
    next_job_id = stack.fit(series_id)
    until(lambda: stack.job(next_job_id)["status"] == "succeeded", PATIENCE_S)
    job_before = stack.job(job_id)
    assert (job_before["status"], job_before["version"], job_before["attempts"]) == ("succeeded", "1", 2)
    resume(stack, worker, job_id, pid)
    assert stack.job(job_id) == job_before
    assert stack.jobs_of(series_id) == [(job_id, "succeeded", 1), (next_job_id, "succeeded", 2)]


def test_a_suspended_worker_whose_job_was_canceled_publishes_nothing(
    stack: Stack, worker: Process, series_id: str, suspended: tuple[str, int]
) -> None:
    job_id, pid = suspended
    with stack.sessions.begin() as session:
        assert jobs.cancel(session, job_id)
    resume(stack, worker, job_id, pid)
    assert stack.jobs_of(series_id) == [(job_id, "cancelled", None)]


def test_a_suspended_worker_whose_series_was_deleted_publishes_nothing(
    stack: Stack, worker: Process, series_id: str, suspended: tuple[str, int]
) -> None:
    job_id, pid = suspended
    with stack.sessions.begin() as session:
        assert series.delete_series(session, series_id).cancelled_job_ids == [job_id]
    next_job_id = stack.fit(series_id)
    until(lambda: stack.job(next_job_id)["status"] == "succeeded", PATIENCE_S)
    resume(stack, worker, job_id, pid)
    assert stack.jobs_of(series_id) == [(job_id, "cancelled", None), (next_job_id, "succeeded", 1)]
