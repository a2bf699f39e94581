"""Concurrent calls run in groups."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest
from sqlalchemy import text

from api.grouping import Grouped
from shared.errors import Code, NotFoundError, TsadError
from shared.store.engine import Sessions
from tests.points import ramp


def test_calls_that_wait_while_a_group_runs_form_the_next_group() -> None:
    groups: list[list[int]] = []
    began, go_on = Event(), Event()

    def call(items: Sequence[int]) -> list[int]:
        began.set()
        groups.append(list(items))
        assert go_on.wait(10)
        return [10 * item for item in items]

    async def main() -> list[int]:
        grouped = Grouped(call, 3, asyncio.to_thread)
        tasks = [asyncio.create_task(grouped(0))]
        assert await asyncio.to_thread(began.wait, 10)
        tasks += [asyncio.create_task(grouped(item)) for item in range(1, 6)]
        await asyncio.sleep(0)
        go_on.set()
        return list(await asyncio.gather(*tasks))

    assert asyncio.run(main()) == [0, 10, 20, 30, 40, 50]
    assert groups == [[0], [1, 2, 3], [4, 5]]


def test_a_failed_call_fails_its_whole_group_and_no_other() -> None:
    def call(items: Sequence[int]) -> list[int]:
        if 1 in items:
            raise ConnectionError("gone")
        return list(items)

    async def main() -> None:
        grouped = Grouped(call, 2, asyncio.to_thread)
        outcomes = await asyncio.gather(*(grouped(item) for item in range(4)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectionError, ConnectionError, int, int]
        assert await grouped(7) == 7

    asyncio.run(main())


def test_an_error_among_the_results_concerns_only_its_item() -> None:
    def call(items: Sequence[int]) -> list[int | TsadError]:
        return [NotFoundError(Code.JOB_NOT_FOUND, str(item)) if item % 2 else item for item in items]

    async def main() -> None:
        grouped = Grouped(call, 4, asyncio.to_thread)
        outcomes = await asyncio.gather(*(grouped(item) for item in range(4)), return_exceptions=True)
        assert [getattr(outcome, "detail", outcome) for outcome in outcomes] == [0, "1", 2, "3"]
        assert [type(outcome) for outcome in outcomes] == [int, NotFoundError, int, NotFoundError]

    asyncio.run(main())


def test_a_canceled_caller_does_not_affect_the_others() -> None:
    async def main() -> None:
        grouped: Grouped[str, str] = Grouped(list, 10, asyncio.to_thread)
        leaving, staying = asyncio.create_task(grouped("a")), asyncio.create_task(grouped("b"))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == "b"
        with pytest.raises(asyncio.CancelledError):
            await leaving

    asyncio.run(main())


def test_fits_that_wait_together_share_a_transaction(api: httpx.Client, sessions: Sessions, series_id: str) -> None:
    def fit(place: int) -> str:
        return str(api.post(f"/fit/{series_id}-{place}", json=ramp()).json()["job_id"])

    with ThreadPoolExecutor(16) as pool:
        job_ids = list(pool.map(fit, range(160)))
    with sessions.begin() as session:
        written = text(
            "SELECT count(*), count(DISTINCT CAST(xmin AS text)) FROM fit_jobs WHERE id = ANY (CAST(:ids AS uuid[]))"
        )
        rows, transactions = session.execute(written, {"ids": job_ids}).one()
    assert rows == 160
    assert transactions < 160
