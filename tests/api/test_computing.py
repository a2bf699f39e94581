"""Processes for computations: when they start, what they keep, and what happens when they die."""

import asyncio
import gc
import os
import random
import signal
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from api.computing import children, pickling
from api.computing.content import Content
from api.computing.fairness import SMALL_S, THREADS, FairLane
from shared.caching import Cache
from shared.domain.detectors import baseline
from shared.domain.detectors.contract import Fitted
from shared.domain.series import check_series_id
from shared.errors import Code, TsadError
from tests.messages import passed


def niceness_of_session(pid: int) -> int:
    session = Path(f"/proc/{pid}/autogroup")
    return int(session.read_text().split()[-1]) if session.exists() else children.NICENESS


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
        assert niceness_of_session(first) == children.NICENESS
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
    size = len(pickling.message_of(states[-1]).pickled)
    sent: Cache[int, Fitted] = Cache(2 * size)
    monkeypatch.setattr(pickling, "_kept", Cache(2 * size))
    sizes, rng = [], random.Random(1)  # noqa: S311
    for _ in range(300):
        some = rng.choices(states, k=3)
        message = pickling.message_of(some.copy, sent)
        sizes.append(len(message.pickled))
        arrived = passed(message)()
        assert [state.state[0] for state in arrived] == [state.state[0] for state in some]
    assert min(sizes) < 1000 < size < max(sizes)


def test_large_contents_arrays_and_views_arrive_as_they_were_and_are_not_pickled() -> None:
    parts = [bytes([number % 256]) * 1000 for number in range(1200)]
    small, array, view = Content([b"a", b"", b"b"]), np.arange(100_000).reshape(2, -1), memoryview(b"v" * 100_000)
    message = pickling.message_of([Content(parts), small, array, array[:, :3], view, view[:5], Content([])])
    assert len(message.pickled) < 2000
    content, few, whole, cut, seen, short, none = passed(message)
    assert (content.whole(), len(content), few.whole(), none.whole()) == (b"".join(parts), 1_200_000, b"ab", b"")
    assert np.array_equal(whole, array)
    assert np.array_equal(cut, array[:, :3])
    assert (bytes(seen), bytes(short)) == (bytes(view), b"vvvvv")


def test_what_was_pickled_is_freed_without_a_garbage_collection() -> None:
    content = Content([bytes(100_000)])
    call, gone = partial(len, content), weakref.ref(content)
    gc.disable()
    try:
        pickling.message_of(call)
        del call, content
        assert gone() is None
    finally:
        gc.enable()
