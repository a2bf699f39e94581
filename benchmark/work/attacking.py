"""Predictions of others while one client tries to hold connections, memory or streams."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from multiprocessing.synchronize import Event
from pathlib import Path

from sqlalchemy import text

from benchmark.access import TOKEN
from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, paired, single
from benchmark.crowd import beside
from benchmark.holding import Held, holding
from benchmark.load import closed_loop, open_loop, percentile_ms, request
from benchmark.stack import Stack, body_of
from benchmark.work.predicting import POINT, SMALL

RATE = 100  # predictions of others per second
MIB = 1024 * 1024
LONG_POINTS = 500_000
SIGNING, SIGNING_S = 16, 30.0  # clients that sign in, and for how long

Attack = AbstractContextManager[None]
_KEPT = text(
    "SELECT coalesce(max(sessions), 0) FROM (SELECT count(*) AS sessions FROM browser_sessions GROUP BY key_id) s"
)


def measure(stack: Stack, pairs: int, seconds: float) -> Iterator[Figure]:
    """Compare the 99th percentile of others during each attack with none, and measure the memory of the process."""
    if not TOKEN:
        sys.exit("Attacks are those of one key: set TSAD_API_KEY to 32 or more random characters.")
    with stack.worker():
        stack.fit("warm", SMALL)
        stack.fit("long", body_of(range(LONG_POINTS), [number % 7 for number in range(LONG_POINTS)]))
    prediction = [request("POST", "/predict/warm", POINT)]
    refused = 0

    def p99() -> float:
        nonlocal refused
        tally = open_loop(stack.api, prediction, 64, RATE, seconds)
        refused += tally.errors
        return percentile_ms(tally.latencies, 99)

    def during(attack: Callable[[], Attack]) -> Callable[[], float]:
        def measured() -> float:
            with attack():
                return p99()

        return measured

    for held in _attacks():
        before = memory(stack)
        figure = paired(
            f"others' p99 beside {held.connections:,} {held.name}",
            "ms",
            during(lambda held=held: holding(stack.api, held)),  # type: ignore[misc]
            p99,
            Target(AT_MOST, 5),
            pairs,
        )
        figure.facts.update(refused=refused, grown_mib=round((memory(stack) - before) / MIB))
        yield figure
    yield from _sign_ins(stack, p99, during, pairs)
    yield single("predictions of others that were refused", "", [refused], Target(AT_MOST, 0))


def _attacks() -> Iterator[Held]:
    endless = b"POST /fit/.. HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
    yield Held("connections whose bodies never end", endless, 4000, drip=b" ")
    yield Held("readers that do not read", request("GET", "/series/long/versions/1/data"), 300, reads=False)
    yield Held("event streams", request("GET", "/alerts/events"), 200)


def _sign_ins(
    stack: Stack, p99: Callable[[], float], during: Callable[[Callable[[], Attack]], Callable[[], float]], pairs: int
) -> Iterator[Figure]:
    """Compare the others beside clients that sign in all the time, and after it, with the others before."""
    before, form = memory(stack), f"key={TOKEN}"
    head = f"POST /ui/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(form)}\r\n\r\n"
    requests = [f"{head}{form}".encode()]
    at_rest = p99()
    beside_them = during(lambda: beside(_sign_in, stack.api, requests))
    yield paired(
        f"others' p99 beside {SIGNING} clients that sign in", "ms", beside_them, p99, Target(AT_MOST, 5), pairs
    )
    tally = closed_loop(stack.api, requests, SIGNING, SIGNING_S)
    signed_in = tally.errors  # redirects are not 2xx
    yield single("sign-ins", "sign-ins/s", [signed_in / tally.seconds], Target(AT_LEAST, 20), sign_ins=signed_in)
    with stack.sessions().statement() as session:
        kept = int(session.execute(_KEPT).scalar_one())
    yield single(f"sessions of a key after {signed_in:,} and more sign-ins", "", [kept], Target(AT_MOST, 20))
    grown = round((memory(stack) - before) / MIB)
    after = p99()
    work = "others' p99 after these sign-ins, versus before"
    yield Figure(work, "ms", after, at_rest, [after / at_rest], Target(AT_MOST, 5), {"grown_mib": grown})


def _sign_in(address: str, requests: list[bytes], began: Event, ends: Event) -> None:
    began.set()
    while not ends.is_set():
        closed_loop(address, requests, SIGNING, 1)


def memory(stack: Stack) -> int:
    """Resident bytes of the API process."""
    pages = int(Path(f"/proc/{stack.api_pid}/statm").read_text().split()[1])
    return pages * 4096
