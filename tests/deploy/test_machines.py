"""Several machines, simulated on one: processes that share only a database, a queue and a bucket."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store.schema import migrate
from tests.deploy.proxies import nginx, pgbouncer
from tests.points import ramp
from tests.processes import Process, new_database, running, wait_for_worker
from tests.stores import BUCKET
from tests.waiting import until

APIS, WORKERS, SERIES, FITS = 2, 3, 12, 72
KILLED = (0, -signal.SIGTERM, -signal.SIGKILL)


@dataclass(frozen=True)
class Site:
    """The address and the processes of an installation on several machines."""

    address: str
    apis: list[Process]
    workers: list[Process]


@pytest.fixture
def site(
    settings: Settings, server_url: str, redis_url: str, s3: dict[str, str], session_folder: Path, tmp_path: Path
) -> Iterator[Site]:
    """Two APIs behind nginx, three workers and a reconciler; the database behind PgBouncer, artifacts in a bucket."""
    with ExitStack() as site:
        url = site.enter_context(new_database(server_url))
        pool = site.enter_context(pgbouncer(url, session_folder))
        migrate(pool)
        machine_settings = settings.model_copy(
            update={
                "database_url": pool,
                "redis_url": redis_url.rsplit("/", 1)[0] + "/6",
                "training_data_folder": f"s3://{BUCKET}/site/data",
                "model_state_folder": f"s3://{BUCKET}/site/models",
                "worker_concurrency": 1,
                "auth": "off",  # requests through a proxy do not count as local
                "lease_s": 3,
                "heartbeat_s": 0.5,
                **s3,
            }
        )
        ports = [free_port(), free_port()]

        def start(*arguments: str) -> Process:
            return site.enter_context(running(machine_settings, tmp_path, *arguments, exit_codes=KILLED))

        apis = [start("uvicorn", "api.main:create_app", "--factory", f"--port={port}") for port in ports]
        workers = [start("worker") for _ in range(WORKERS)]
        start("worker.reconciling")
        address = site.enter_context(nginx(ports, tmp_path))
        for port in ports:
            until(partial(answers, f"http://127.0.0.1:{port}/readyz"), 60)
        for worker in workers:
            wait_for_worker(worker, 60)
        yield Site(address, apis, workers)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def kill(process: Process) -> None:
    process.popen.kill()


def test_nothing_is_lost_when_one_process_of_each_kind_dies_under_load(site: Site) -> None:
    def fit(number: int) -> str:
        """Request a fit until it is accepted, with an idempotency key, and return the job id."""
        attempts: list[httpx.Response] = []

        def accepted() -> bool:
            attempts.append(
                client.post(f"/fit/s{number % SERIES}", json=ramp(), headers={"Idempotency-Key": f"{number}"})
            )
            return attempts[-1].status_code == 202

        until(accepted, 30)
        if number == FITS // 3:
            kill(site.apis[0])
        if number == FITS // 2:
            kill(site.workers[0])
        return str(attempts[-1].json()["job_id"])

    def succeeded(job_id: str) -> Callable[[], bool]:
        return lambda: client.get(f"/jobs/{job_id}?wait=5").json()["status"] == "succeeded"

    with httpx.Client(base_url=site.address, timeout=30, trust_env=False) as client, ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(fit, range(FITS)))
        assert len(set(jobs)) == FITS
        for job_id in jobs:
            until(succeeded(job_id), 60)
        assert site.apis[0].popen.poll() == site.workers[0].popen.poll() == -signal.SIGKILL
        for series in range(SERIES):
            assert client.get(f"/series/s{series}").json()["versions"] == FITS // SERIES
            verdict = client.post(f"/predict/s{series}", json={"timestamp": 10**9, "value": 1}).json()
            assert verdict["model_version"] == str(FITS // SERIES)
