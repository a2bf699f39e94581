"""Waits are limited in number and time, and the database is polled only while somebody waits."""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from api.following import polling
from api.following.polling import Poller
from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from tests.points import ramp
from worker.training import Training, run


def queued(api: httpx.Client, series_id: str) -> str:
    return str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"])


def test_waits_beyond_a_thousand_return_at_once(
    api: httpx.Client, sessions: Sessions, series_id: str, training: Training
) -> None:
    assert polling.MAX_WAITERS == 1000
    job_id = queued(api, series_id)

    async def wait() -> None:
        poller = Poller(sessions, asyncio.to_thread)
        waits = [asyncio.create_task(poller.wait(job_id, 20)) for _ in range(polling.MAX_WAITERS)]
        await asyncio.sleep(0)
        await asyncio.wait_for(poller.wait(job_id, 20), 1)
        assert not any(task.done() for task in waits)
        await asyncio.to_thread(run, training, job_id)
        await asyncio.wait_for(asyncio.gather(*waits), 5)
        next_wait = asyncio.create_task(poller.wait(other_job_id, 20))
        await asyncio.sleep(0.05)
        assert not next_wait.done()
        poller.close()
        await next_wait

    other_job_id = queued(api, series_id)
    asyncio.run(wait())


def test_nothing_is_polled_while_nobody_waits(api: httpx.Client, sessions: Sessions, series_id: str) -> None:
    job_id = queued(api, series_id)

    async def wait() -> None:
        poller = Poller(sessions, asyncio.to_thread)
        for _ in range(2):
            assert not polling_tasks()
            await poller.wait(job_id, 0.15)
            await asyncio.wait_for(asyncio.gather(*polling_tasks()), 5)

    asyncio.run(wait())


def polling_tasks() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "poller"]


def test_a_wait_whose_client_disconnected_is_dropped(api: httpx.Client, sessions: Sessions, series_id: str) -> None:
    job_id = queued(api, series_id)

    async def wait() -> None:
        poller = Poller(sessions, asyncio.to_thread)
        waiting = asyncio.create_task(poller.wait(job_id, 20))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait_for(asyncio.gather(*polling_tasks()), 5)

    asyncio.run(wait())


def test_a_wait_for_an_unknown_job_or_on_a_closed_poller_ends_at_once(sessions: Sessions) -> None:
    async def wait() -> None:
        poller = Poller(sessions, asyncio.to_thread)
        await asyncio.wait_for(poller.wait(str(uuid4()), 20), 5)
        poller.close()
        await asyncio.wait_for(poller.wait(str(uuid4()), 20), 1)

    asyncio.run(wait())


def test_a_wait_survives_a_database_outage(settings: Settings) -> None:
    unreachable = settings.model_copy(update={"database_url": f"postgresql://x@127.0.0.1:{free_port()}/x"})

    async def wait() -> None:
        sessions = Sessions(make_engine(unreachable, "tsad-tests"))
        began = time.monotonic()
        await Poller(sessions, asyncio.to_thread).wait(str(uuid4()), 0.3)
        assert time.monotonic() - began >= 0.3
        sessions.engine.dispose()

    asyncio.run(wait())


@pytest.mark.parametrize("wait", ["30.1", "-0.1", "1e99", "inf", "nan", "", "5s", "%00"])
def test_an_invalid_wait_is_refused(api: httpx.Client, series_id: str, fitted: Callable[..., str], wait: str) -> None:
    answer = api.get(f"/jobs/{fitted(series_id)}?wait={wait}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("wait", ["0", "30", "0.5"])
def test_a_valid_wait_for_a_finished_job_is_answered(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], wait: str
) -> None:
    assert api.get(f"/jobs/{fitted(series_id)}?wait={wait}").json()["status"] == "succeeded"
