"""A worker for the jobs of the clients' tests."""

from collections.abc import Iterator
from threading import Event, Thread

import httpx
import pytest

from worker.training import Training, run

PREFIXES = ("client-", "notebook.")


@pytest.fixture(scope="module")
def url(api: httpx.Client, training: Training) -> Iterator[str]:
    """The URL of a service that fits the series of these tests."""
    finished = Event()

    def work() -> None:
        while not finished.wait(0.02):
            for job in api.get("/jobs", params={"status": "queued"}).json()["jobs"]:
                if job["series_id"].startswith(PREFIXES):
                    run(training, job["job_id"])

    thread = Thread(target=work)
    thread.start()
    yield str(api.base_url)
    finished.set()
    thread.join()
