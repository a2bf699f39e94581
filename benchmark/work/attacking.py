"""Predictions of others while one client tries to hold connections, memory or streams."""

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from benchmark.access import TOKEN
from benchmark.comparing import AT_MOST, Figure, Target, paired, single
from benchmark.holding import Held, holding
from benchmark.load import closed_loop, open_loop, request
from benchmark.stack import Stack, body_of
from benchmark.work.predicting import POINT, SMALL

RATE = 100  # predictions of others per second
MIB = 1024 * 1024
LONG_POINTS = 500_000
SESSIONS = 150_000


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
        return 1000 * statistics.quantiles(tally.latencies, n=100)[98]

    def during(attack: Callable[[], AbstractContextManager[None]]) -> Callable[[], float]:
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
    yield from _sessions(stack, p99, pairs)
    yield single("predictions of others that were refused", "", [refused], Target(AT_MOST, 0))


def _attacks() -> Iterator[Held]:
    endless = b"POST /fit/.. HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
    yield Held("connections whose bodies never end", endless, 4000, drip=b" ")
    yield Held("readers that do not read", request("GET", "/series/long/versions/1/data"), 300, reads=False)
    yield Held("event streams", request("GET", "/alerts/events"), 200)


def _sessions(stack: Stack, p99: Callable[[], float], pairs: int) -> Iterator[Figure]:
    """Compare the others after many sign-ins with the others before."""
    before, form = memory(stack), f"key={TOKEN}"
    sign_in = [f"POST /ui/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(form)}\r\n\r\n{form}".encode()]
    at_rest = [p99() for _ in range(pairs)]
    signed_in = 0
    while signed_in < SESSIONS:
        signed_in += closed_loop(stack.api, sign_in, 16, 5).errors  # redirects are not 2xx
    after = [p99() for _ in range(pairs)]
    ratios = [late / early for late, early in zip(after, at_rest, strict=True)]
    grown = round((memory(stack) - before) / MIB)
    work = f"others' p99 after {SESSIONS:,} sign-ins, versus before"
    yield single(work, "", ratios, Target(AT_MOST, 5), grown_mib=grown)


def memory(stack: Stack) -> int:
    """Resident bytes of the API process."""
    pages = int(Path(f"/proc/{stack.api_pid}/statm").read_text().split()[1])
    return pages * 4096
