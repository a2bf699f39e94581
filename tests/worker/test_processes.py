"""Real worker processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from shared.queue import QUEUE
from shared.settings import Settings
from tests.points import ramp
from tests.processes import Process, running, separate_settings, serving, wait_for_worker
from tests.waiting import until
from worker.listening import EXIT_CODE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def worker_settings(settings: Settings, server_url: str) -> Iterator[Settings]:
    with separate_settings(settings, server_url, 5) as separated:
        yield separated


@pytest.fixture(scope="module")
def api(worker_settings: Settings) -> Iterator[httpx.Client]:
    with serving(worker_settings) as client:
        yield client


@pytest.fixture(scope="module")
def worker(worker_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A real Celery worker with two children, and a reconciler."""
    folder = tmp_path_factory.mktemp("processes")
    with running(worker_settings, folder, "worker") as process, running(worker_settings, folder, "worker.reconciling"):
        wait_for_worker(process)
        yield process


def children_of(process: Process) -> list[str]:
    return Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children").read_text().split()


PRINT_PRIORITIES = """
import os, pathlib
from worker import main
child = os.fork()
if child == 0:
    main._give_way()
    print(os.getpriority(os.PRIO_PROCESS, 0), flush=True)
    os._exit(0)
os.waitpid(child, 0)
session = pathlib.Path("/proc/self/autogroup")
print(session.read_text().split()[-1] if session.exists() else 7)
"""


def test_a_child_and_the_session_of_its_worker_get_low_priority(worker_settings: Settings) -> None:
    environment = {**os.environ, "REDIS_URL": str(worker_settings.redis_url), "WORKER_NICENESS": "7"}
    command = [sys.executable, "-c", PRINT_PRIORITIES]
    output = subprocess.check_output(command, env=environment, cwd=ROOT, start_new_session=True, text=True)
    assert output.split() == ["7", "7"]


def test_twenty_concurrent_fits_of_a_series_publish_versions_in_order_of_acceptance(
    api: httpx.Client, worker: Process, series_id: str
) -> None:
    def fit(place: int) -> str:
        body = ramp(values=[value + place for value in ramp()["values"]])
        return str(
            httpx.post(f"{api.base_url}/fit/{series_id}", json=body, timeout=30, trust_env=False).json()["job_id"]
        )

    with ThreadPoolExecutor(20) as pool:
        job_ids = list(pool.map(fit, range(20)))
    until(lambda: api.get(f"/series/{series_id}").json()["versions"] == 20, 30)  # 40 s if each waits for the reconciler
    jobs = [api.get(f"/jobs/{job_id}?wait=10").json() for job_id in job_ids]
    assert {job["status"] for job in jobs} == {"succeeded"}
    in_order = sorted(jobs, key=lambda job: str(job["created_at"]))
    assert [int(job["version"]) for job in in_order] == list(range(1, 21))


def test_a_series_fitted_by_a_worker_can_be_predicted_at_once(
    api: httpx.Client, worker: Process, series_id: str
) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    job = api.get(f"/jobs/{job_id}?wait=30").json()
    assert job["status"] == "succeeded"
    assert job["worker"].startswith("fit-")
    assert api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 99}).json()["anomaly"] is True


def test_a_running_worker_makes_the_service_ready(api: httpx.Client, worker: Process) -> None:
    until(lambda: api.get("/readyz").json()["checks"]["workers"] == "ok")
    assert api.get("/readyz").json()["status"] == "ready"


def test_garbage_in_the_queue_does_not_stop_a_worker(
    api: httpx.Client, worker: Process, worker_settings: Settings, series_id: str
) -> None:
    client = redis.Redis.from_url(worker_settings.redis)
    for garbage in (b"", b"garbage", b"{}", b"[1]", b'{"body": "cos\\nsystem", "headers": {}}', b"\x80\x04."):
        client.lpush(QUEUE, garbage)
    client.close()
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    assert api.get(f"/jobs/{job_id}?wait=30").json()["status"] == "succeeded"


def test_sigterm_stops_a_worker_cleanly_with_its_children(settings: Settings, tmp_path: Path) -> None:
    other_redis = settings.redis.rsplit("/", 1)[0] + "/4"
    with running(settings.model_copy(update={"redis_url": other_redis}), tmp_path, "worker") as process:
        wait_for_worker(process)
        children = children_of(process)
        assert len(children) >= 2
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) == 0
        until(lambda: not any(Path("/proc", child).exists() for child in children))


@pytest.fixture
def lone_settings(settings: Settings, server_url: str) -> Iterator[Settings]:
    """Settings with no other worker to take a job, and no reconciler to announce it again."""
    with separate_settings(settings, server_url, 4) as separated:
        yield separated


@contextmanager
def faulty(lone_settings: Settings, folder: Path, fault: str, exit_code: int = 0) -> Iterator[Process]:
    """Run a worker with one child and this fault."""
    settings = lone_settings.model_copy(update={"worker_concurrency": 1})
    arguments = ("tests.worker.faulty", fault)
    with running(settings, folder, *arguments, exit_codes=(exit_code,), PYTHONPATH=str(ROOT)) as process:
        wait_for_worker(process)
        yield process


def test_canceling_a_job_kills_a_fit_that_reports_no_progress(
    lone_settings: Settings, tmp_path: Path, series_id: str
) -> None:
    switch = tmp_path / "faulty"
    switch.touch()
    with (
        faulty(lone_settings, tmp_path, "sleeps") as process,
        serving(lone_settings) as api,
    ):
        job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        until(switch.with_suffix(".now").exists)
        switch.unlink()
        next_job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        assert api.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
        assert api.get(f"/jobs/{next_job_id}?wait=20").json()["version"] == "1"
        assert b"did not stop" in process.log.read_bytes()
        assert api.get(f"/jobs/{job_id}").json()["status"] == "cancelled"


def test_the_job_of_a_killed_process_is_requeued_before_its_lease_expires(
    lone_settings: Settings, tmp_path: Path, series_id: str
) -> None:
    long_lease = lone_settings.model_copy(update={"lease_s": 3600})
    switch = tmp_path / "faulty"
    switch.touch()
    with (
        serving(long_lease) as api,
        faulty(long_lease, tmp_path, "sleeps") as process,
        running(long_lease, tmp_path, "worker.reconciling"),
    ):
        job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        until(switch.with_suffix(".now").exists)
        switch.unlink()
        for child in children_of(process):
            os.kill(int(child), signal.SIGKILL)
        job = api.get(f"/jobs/{job_id}?wait=20").json()
        assert (job["status"], job["attempts"]) == ("succeeded", 2)


def test_a_worker_that_takes_no_messages_exits(lone_settings: Settings, tmp_path: Path, series_id: str) -> None:
    with (
        serving(lone_settings) as api,
        faulty(lone_settings, tmp_path, "is-deaf", EXIT_CODE) as process,
    ):
        children = children_of(process)
        (tmp_path / "faulty").touch()
        for _ in range(3):  # a pending BRPOP takes the first
            api.post(f"/fit/{series_id}", json=ramp())
        until(lambda: process.popen.poll() is not None, 20)
    assert b"it takes none" in process.log.read_bytes()
    until(lambda: not any(Path("/proc", child).exists() for child in children))


def test_a_worker_stops_even_if_its_child_ignores_signals(
    lone_settings: Settings, tmp_path: Path, series_id: str
) -> None:
    switch = tmp_path / "faulty"
    switch.touch()
    with (
        serving(lone_settings) as api,
        faulty(lone_settings, tmp_path, "ignores-signals", EXIT_CODE) as process,
    ):
        job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        until(switch.with_suffix(".now").exists)
        children = children_of(process)
        process.popen.terminate()
        process.popen.wait(20)
        until(lambda: not any(Path("/proc", child).exists() for child in children))
        assert api.get(f"/jobs/{job_id}").json()["status"] == "running"  # until its lease expires
