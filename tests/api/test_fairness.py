"""The lane for computations: order, fairness and bounds, without servers."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from api.computing.fairness import MAX_WAITING_S, SLICE_S, SMALL_S, THREADS, FairLane, Slice
from shared.errors import BusyError, Code

LARGE_S = 1.0


class Bench:
    """Calls that note their order, behind calls that keep all threads busy until `go`."""

    def __init__(self) -> None:
        self.lane = FairLane("test")
        self.order: list[str] = []
        self._gate = threading.Event()
        self._tasks: list[Awaitable[object]] = []

    def send(self, name: str, owner: str, cost_s: float) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.lane(owner, cost_s, self.order.append, name))
        self._tasks.append(task)
        return task

    def send_in_slices(self, parts: str, owner: str, cost_s: float) -> "asyncio.Task[bytes]":
        def compute(rest: bytes) -> Slice:
            self.order.append(chr(rest[0]))
            return Slice(rest[1:] or None, b"result")

        task = asyncio.create_task(self.lane.in_slices(owner, cost_s, compute, parts.encode()))
        self._tasks.append(task)
        return task

    async def block(self, cost_s: float = SMALL_S / 2, threads: int = THREADS) -> None:
        for number in range(threads):
            self._tasks.append(asyncio.create_task(self.lane(f"blocker-{number}", cost_s, self._gate.wait)))
        await asyncio.sleep(0)

    async def go(self) -> list[str]:
        await asyncio.sleep(0)
        self._gate.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.lane.close()
        return self.order


def run(scenario: Callable[[Bench], Awaitable[list[str]]]) -> list[str]:
    async def main() -> list[str]:
        return await scenario(Bench())

    return asyncio.run(main())


def test_a_key_with_many_requests_delays_mainly_its_own() -> None:
    async def scenario(bench: Bench) -> list[str]:
        await bench.block(LARGE_S, threads=1)
        for number in range(5):
            bench.send(f"flood-{number}", "flood", LARGE_S)
        bench.send("other", "other", LARGE_S)
        return await bench.go()

    assert run(scenario).index("other") <= 1


def test_small_requests_run_while_a_large_one_computes_even_for_the_same_key() -> None:
    async def scenario(bench: Bench) -> list[str]:
        await bench.block(LARGE_S, threads=1)
        bench.send("large", "key", LARGE_S)
        await bench.send("small", "key", SMALL_S / 10)
        assert bench.order == ["small"]
        return await bench.go()

    assert run(scenario) == ["small", "large"]


def test_small_requests_do_not_keep_a_large_one_waiting() -> None:
    async def scenario(bench: Bench) -> list[str]:
        await bench.block()
        for number in range(5):
            bench.send(f"small-{number}", f"key-{number}", SMALL_S / 10)
        bench.send("large", "key", LARGE_S)
        return await bench.go()

    assert run(scenario).index("large") <= 1


def test_a_key_may_wait_for_a_bounded_time_and_others_still_may() -> None:
    async def scenario(bench: Bench) -> list[str]:
        await bench.block(LARGE_S, threads=1)
        for _ in range(int(MAX_WAITING_S / LARGE_S)):
            bench.send("accepted", "flood", LARGE_S)
        await asyncio.sleep(0)
        with pytest.raises(BusyError) as refused:
            await bench.send("refused", "flood", LARGE_S)
        assert refused.value.code == Code.OVERLOADED
        assert refused.value.retry_after_s == MAX_WAITING_S
        bench.send("first", "other", 3 * MAX_WAITING_S)
        return await bench.go()

    order = run(scenario)
    assert "refused" not in order
    assert "first" in order


def test_a_large_request_of_another_key_has_its_turn_between_the_slices_of_one() -> None:
    async def scenario(bench: Bench) -> list[str]:
        await bench.block(LARGE_S, threads=1)
        sliced = bench.send_in_slices("abcd", "key", MAX_WAITING_S / 2)
        await asyncio.sleep(0)
        bench.send_in_slices("ef", "key", MAX_WAITING_S / 2)
        await asyncio.sleep(0)
        bench.send("other", "other", SLICE_S)
        with pytest.raises(BusyError):
            await bench.send("refused", "key", MAX_WAITING_S / 2)
        order = await bench.go()
        assert await sliced == b"result"
        return order

    order = run(scenario)
    assert order.index("other") <= 1
    assert [part for part in order if part != "other"] == ["a", "b", "c", "d", "e", "f"]


def test_a_request_in_slices_that_is_canceled_frees_the_time_of_its_key() -> None:
    async def scenario(bench: Bench) -> list[str]:
        await bench.block(LARGE_S, threads=1)
        sliced = bench.send_in_slices("ab", "key", MAX_WAITING_S)
        await asyncio.sleep(0)
        sliced.cancel()
        bench.send("kept", "key", LARGE_S)
        return await bench.go()

    assert run(scenario) == ["kept"]


def test_a_canceled_request_is_not_computed() -> None:
    async def scenario(bench: Bench) -> list[str]:
        await bench.block()
        task = bench.send("gone", "key", SMALL_S / 10)
        await asyncio.sleep(0)
        task.cancel()
        bench.send("kept", "key", SMALL_S / 10)
        return await bench.go()

    assert run(scenario) == ["kept"]


def test_an_error_reaches_its_caller_and_the_lane_continues() -> None:
    async def scenario(bench: Bench) -> list[str]:
        with pytest.raises(ZeroDivisionError):
            await bench.lane("key", SMALL_S / 10, lambda: 1 // 0)
        bench.send("next", "key", SMALL_S / 10)
        return await bench.go()

    assert run(scenario) == ["next"]
