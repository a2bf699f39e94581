"""Bodies that arrive slowly, or wait for memory that others have."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from api.chain import bodies
from tests.api.bodies import FIT, MAX_BODY_BYTES, refusal
from tests.waiting import until
from tests.wire import Wire, wired


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse requests that wait for memory after a short time."""
    monkeypatch.setattr(bodies, "WAIT_FOR_BUDGET_S", 0.2)


@pytest.fixture
def long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests wait for memory long enough even on a busy machine."""
    monkeypatch.setattr(bodies, "WAIT_FOR_BUDGET_S", 20.0)


def stalled(api: httpx.Client, stack: ExitStack, size: int) -> Wire:
    """A client that sends `size` bytes of a body and stalls."""
    wire = stack.enter_context(wired(api))
    wire.head("POST", "/fit/stalled", Content_Length=MAX_BODY_BYTES)
    wire.send(b" " * size)
    return wire


def test_a_body_that_waits_too_long_for_memory_is_refused(
    small_api: httpx.Client, series_id: str, short_wait: None
) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stalled(small_api, stack, MAX_BODY_BYTES - 1)
        large = FIT.ljust(MAX_BODY_BYTES)
        answers = [small_api.post(f"/fit/{series_id}", content=large)]

        def again() -> None:  # some of the first three may have been refused
            stalled(small_api, stack, MAX_BODY_BYTES - 1)
            answers.append(small_api.post(f"/fit/{series_id}", content=large))

        until(lambda: answers[-1].status_code == 503, meanwhile=again)
        assert answers[-1].json()["code"] == "overloaded"
        assert int(answers[-1].headers["Retry-After"]) >= 1
    until(
        lambda: small_api.post(f"/fit/{series_id}", content=large).status_code == 202
    )  # the closed uploads released their memory


def test_small_requests_do_not_wait_for_large_uploads(small_api: httpx.Client, series_id: str, long_wait: None) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            stalled(small_api, stack, MAX_BODY_BYTES - 1)
        waiting = pool.submit(small_api.post, f"/fit/{series_id}", content=FIT.ljust(MAX_BODY_BYTES))
        for _ in range(20):
            assert small_api.post(f"/fit/{series_id}", content=FIT).status_code == 202
        stack.close()
        assert waiting.result().status_code == 202


def test_a_stalled_upload_is_aborted(small_api: httpx.Client, series_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_PAUSE_S", 0.2)
    with ExitStack() as stack:
        idle = [stalled(small_api, stack, MAX_BODY_BYTES - 1) for _ in range(3)]
        for wire in idle:
            reply = wire.reply()
            assert refusal(reply) in ((408, "body_too_slow"), (503, "overloaded"))
        assert small_api.post(f"/fit/{series_id}", content=FIT.ljust(MAX_BODY_BYTES)).status_code == 202


def test_concurrent_bodies_that_together_exceed_the_memory_are_all_read(
    small_api: httpx.Client, series_id: str, long_wait: None
) -> None:
    large = FIT.ljust(MAX_BODY_BYTES)
    with ExitStack() as stack:
        wires = [stack.enter_context(wired(small_api)) for _ in range(6)]
        for wire in wires:
            wire.head("POST", f"/fit/{series_id}", Content_Length=MAX_BODY_BYTES)
        for start in range(0, MAX_BODY_BYTES, 4096):
            for wire in wires:
                wire.send(large[start : start + 4096])
        assert [wire.reply().status for wire in wires] == [202] * 6


def test_a_slow_client_is_served_alongside_fast_ones(small_api: httpx.Client, series_id: str) -> None:
    with wired(small_api) as wire:
        wire.head("POST", f"/fit/{series_id}", Content_Length=len(FIT))
        for place in range(len(FIT)):
            wire.send(FIT[place : place + 1])
            if place % 100 == 0:
                assert small_api.get("/livez").status_code == 200
        assert wire.reply().status == 202
