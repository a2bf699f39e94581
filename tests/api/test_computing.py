"""Processes for computations: when they start, what they keep, and what happens when they die."""

import asyncio
import os
import random
import signal
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from api.computing import children, pickling
from api.computing.fairness import SMALL_S, THREADS, FairLane
from shared.caching import Cache
from shared.domain.detectors import baseline
from shared.domain.detectors.contract import Fitted
from shared.domain.series import check_series_id
from shared.errors import Code, TsadError


def test_calls_run_in_a_process_once_that_is_worth_it_and_in_a_thread_while_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children, "WORTH_S", 0.0)
    monkeypatch.setattr(children, "AGAIN_AFTER_S", 0.0)

    async def scenario(lane: FairLane) -> None:
        async def child() -> int:
            async with asyncio.timeout(30):
                while (computed_in := await lane("key", SMALL_S / 10, os.getpid)) == os.getpid():  # noqa: ASYNC110 - a process starts
                    await asyncio.sleep(0.01)
            return computed_in

        first = await child()
        assert os.getpriority(os.PRIO_PROCESS, first) > os.getpriority(os.PRIO_PROCESS, 0)
        assert await child() == first
        os.kill(first, signal.SIGTERM)  # as sent to all processes of a service that stops
        assert await child() == first
        os.kill(first, signal.SIGKILL)
        assert await lane("key", SMALL_S / 10, divmod, 7, 2) == (3, 1)
        assert await child() != first
        with pytest.raises(TsadError) as refused:
            await lane("key", SMALL_S / 10, check_series_id, "a/b")
        assert refused.value.code == Code.INVALID_SERIES_ID

    async def main() -> None:
        lane = FairLane("test", children.Children(THREADS, 100_000))
        try:
            await scenario(lane)
        finally:
            lane.close()

    asyncio.run(main())


def test_a_process_gets_each_state_again_once_it_no_longer_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [Fitted(baseline.DETECTOR, (number, np.arange(number * 100.0))) for number in range(1, 9)]
    size = len(pickling.pickled(states[-1].state[1].copy, Cache(0)))
    sent: Cache[int, Fitted] = Cache(2 * size)
    monkeypatch.setattr(pickling, "_kept", Cache(2 * size))
    sizes, rng = [], random.Random(1)  # noqa: S311
    for _ in range(300):
        some = rng.choices(states, k=3)
        content = pickling.pickled(some.copy, sent)
        sizes.append(len(content))
        arrived = ForkingPickler.loads(content)()
        assert [state.state[0] for state in arrived] == [state.state[0] for state in some]
    assert min(sizes) < 1000 < size < max(sizes)
