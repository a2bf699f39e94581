"""Clocks that jump, by libfaketime. Leases, waits and backoffs depend on the database's clock and on monotonic ones."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.settings import Settings
from tests.points import ramp
from tests.processes import api_process, running, separate_settings, wait_for_worker
from tests.waiting import until

LIBRARY = next(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"), None)
JUMPS = ("+30d", "-30d")


@pytest.fixture
def own_settings(settings: Settings, server_url: str) -> Iterator[Settings]:
    with separate_settings(settings, server_url, 3) as separated:
        yield separated.model_copy(update={"worker_concurrency": 1})


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A file with the offset of the clock of processes that run with `faked`."""
    file = tmp_path / "clock"
    file.write_text("+0")
    return file


def faked(clock: Path) -> dict[str, Any]:
    """Return the environment of a process whose clock jumps with the file, and whose monotonic clock does not."""
    if LIBRARY is None:
        pytest.skip("libfaketime is not installed")
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def test_fits_and_predictions_continue_while_the_clocks_of_all_processes_jump(
    own_settings: Settings, clock: Path, tmp_path: Path
) -> None:
    environment = faked(clock)
    with ExitStack() as processes:
        worker = processes.enter_context(running(own_settings, tmp_path, "worker", **environment))
        processes.enter_context(running(own_settings, tmp_path, "worker.reconciling", **environment))
        _, api = processes.enter_context(api_process(own_settings, tmp_path, **environment))
        wait_for_worker(worker)
        for number, jump in enumerate(JUMPS, 1):
            clock.write_text(jump)
            until(lambda: api.get("/readyz").json()["status"] == "ready", 30)
            job = finished(api)
            assert (job["status"], job["version"], job["attempts"]) == ("succeeded", str(number), 1), jump
            verdict = api.post("/predict/a", json={"timestamp": 1, "value": 1}).json()
            assert verdict["model_version"] == str(number)
        assert worker.popen.poll() is None


def finished(api: httpx.Client) -> dict[str, object]:
    job_id = api.post("/fit/a", json=ramp()).json()["job_id"]
    job: dict[str, object] = api.get(f"/jobs/{job_id}?wait=30").json()
    return job
