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
from tests.processes import Process, running, separate_settings, serving
from tests.waiting import until
from worker.listening import EXIT_CODE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def own(settings: Settings, server_url: str) -> Iterator[Settings]:
    with separate_settings(settings, server_url, 5) as made:
        yield made


@pytest.fixture(scope="module")
def api(own: Settings) -> Iterator[httpx.Client]:
    with serving(own) as client:
        yield client


@pytest.fixture(scope="module")
def worker(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A real Celery worker with two children, and the reconciler beside it."""
    folder = tmp_path_factory.mktemp("processes")
    with running(own, folder, "worker") as process, running(own, folder, "worker.reconciling"):
        until(lambda: b" ready." in process.log.read_bytes() or process.popen.poll() is not None, 30)
        assert process.popen.poll() is None, process.log.read_text()[-3000:]
        yield process


def children_of(process: Process) -> list[str]:
    return Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children").read_text().split()


GIVES_WAY = """
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


def test_a_child_gives_way_and_so_does_the_session_that_its_worker_began(own: Settings) -> None:
    environment = {**os.environ, "REDIS_URL": str(own.redis_url), "WORKER_NICENESS": "7"}
    command = [sys.executable, "-c", GIVES_WAY]
    said = subprocess.check_output(command, env=environment, cwd=ROOT, start_new_session=True, text=True)
    assert said.split() == ["7", "7"]


def test_twenty_simultaneous_fits_of_a_series_give_versions_one_to_twenty_in_order_of_acceptance(
    api: httpx.Client, worker: Process, series_id: str
) -> None:
    def fit(place: int) -> str:
        body = ramp(values=[value + place for value in ramp()["values"]])
        return str(
            httpx.post(f"{api.base_url}/fit/{series_id}", json=body, timeout=30, trust_env=False).json()["job_id"]
        )

    with ThreadPoolExecutor(20) as pool:
        job_ids = list(pool.map(fit, range(20)))
    until(lambda: api.get(f"/series/{series_id}").json()["versions"] == 20, 60)
    jobs = [api.get(f"/jobs/{job_id}?wait=10").json() for job_id in job_ids]
    assert {job["status"] for job in jobs} == {"succeeded"}
    in_order = sorted(jobs, key=lambda job: str(job["created_at"]))
    assert [int(job["version"]) for job in in_order] == list(range(1, 21))


def test_a_series_is_fitted_by_a_worker_and_predicted_at_once(
    api: httpx.Client, worker: Process, series_id: str
) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    job = api.get(f"/jobs/{job_id}?wait=30").json()
    assert job["status"] == "succeeded"
    assert job["worker"].startswith("fit-")
    assert api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 99}).json()["anomaly"] is True


def test_a_worker_is_heard_of(api: httpx.Client, worker: Process) -> None:
    until(lambda: api.get("/readyz").json()["checks"]["workers"] == "ok")
    assert api.get("/readyz").json()["status"] == "ready"


def test_garbage_in_the_queue_does_not_stop_a_worker(
    api: httpx.Client, worker: Process, own: Settings, series_id: str
) -> None:
    client = redis.Redis.from_url(own.redis)
    for garbage in (b"", b"garbage", b"{}", b"[1]", b'{"body": "cos\\nsystem", "headers": {}}', b"\x80\x04."):
        client.lpush(QUEUE, garbage)
    client.close()
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    assert api.get(f"/jobs/{job_id}?wait=30").json()["status"] == "succeeded"


def test_a_worker_that_is_told_to_stop_ends_cleanly_and_leaves_no_child(settings: Settings, tmp_path: Path) -> None:
    other = settings.redis.rsplit("/", 1)[0] + "/4"
    with running(settings.model_copy(update={"redis_url": other}), tmp_path, "worker") as process:
        until(lambda: b" ready." in process.log.read_bytes(), 30)
        children = children_of(process)
        assert len(children) >= 2
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) == 0
        until(lambda: not any(Path("/proc", child).exists() for child in children))


@pytest.fixture
def alone(settings: Settings, server_url: str) -> Iterator[Settings]:
    """Where no other worker takes a job, and no reconciler announces it anew."""
    with separate_settings(settings, server_url, 4) as made:
        yield made


@contextmanager
def afflicted(alone: Settings, folder: Path, ailment: str, exit_code: int = 0) -> Iterator[Process]:
    """A worker with one child, and the tests beside it on the path."""
    settings = alone.model_copy(update={"worker_concurrency": 1})
    entry = ("tests.worker.afflicted", ailment)
    with running(settings, folder, *entry, exit_codes=(exit_code,), PYTHONPATH=str(ROOT)) as process:
        until(lambda: b" ready." in process.log.read_bytes(), 30)
        yield process


def test_a_fit_that_hears_nothing_is_ended_when_its_job_is_cancelled(
    alone: Settings, tmp_path: Path, series_id: str
) -> None:
    switch = tmp_path / "afflicted"
    switch.touch()
    with (
        afflicted(alone, tmp_path, "sleeps") as process,
        serving(alone) as api,
    ):
        job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        until(switch.with_suffix(".now").exists)
        switch.unlink()
        following = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        assert api.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
        assert api.get(f"/jobs/{following}?wait=20").json()["version"] == "1"
        assert b"does not end" in process.log.read_bytes()
        assert api.get(f"/jobs/{job_id}").json()["status"] == "cancelled"


def test_a_job_whose_process_is_killed_is_taken_back_without_waiting_for_its_lease(
    alone: Settings, tmp_path: Path, series_id: str
) -> None:
    mine = alone.model_copy(update={"lease_s": 3600})
    switch = tmp_path / "afflicted"
    switch.touch()
    with (
        serving(mine) as api,
        afflicted(mine, tmp_path, "sleeps") as process,
        running(mine, tmp_path, "worker.reconciling"),
    ):
        job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        until(switch.with_suffix(".now").exists)
        switch.unlink()
        for child in children_of(process):
            os.kill(int(child), signal.SIGKILL)
        job = api.get(f"/jobs/{job_id}?wait=20").json()
        assert (job["status"], job["attempts"]) == ("succeeded", 2)


def test_a_worker_that_takes_no_messages_any_more_ends_itself(alone: Settings, tmp_path: Path, series_id: str) -> None:
    with (
        serving(alone) as api,
        afflicted(alone, tmp_path, "is-deaf", EXIT_CODE) as process,
    ):
        children = children_of(process)
        (tmp_path / "afflicted").touch()
        for _ in range(3):  # the call that waits already takes the first
            api.post(f"/fit/{series_id}", json=ramp())
        until(lambda: process.popen.poll() is not None, 20)
    assert b"it takes none" in process.log.read_bytes()
    until(lambda: not any(Path("/proc", child).exists() for child in children))


def test_a_worker_whose_child_does_not_listen_stops_all_the_same(
    alone: Settings, tmp_path: Path, series_id: str
) -> None:
    switch = tmp_path / "afflicted"
    switch.touch()
    with (
        serving(alone) as api,
        afflicted(alone, tmp_path, "clings", EXIT_CODE) as process,
    ):
        job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        until(switch.with_suffix(".now").exists)
        children = children_of(process)
        process.popen.terminate()
        process.popen.wait(20)
        until(lambda: not any(Path("/proc", child).exists() for child in children))
        assert api.get(f"/jobs/{job_id}").json()["status"] == "running"  # until its lease runs out
