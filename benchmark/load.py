"""HTTP/1.1 load from a single thread, which leaves the other core to the server: prepared bytes and little parsing."""

import asyncio
import gc
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmark.access import HEADERS

Request = bytes
PATIENCE_S = 60  # after the last request is due


@dataclass
class Tally:
    """Outcome of a load: seconds from each request's due time to its response, and the number of non-2xx responses."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Successful responses per second."""
        return len(self.latencies) / self.seconds


def percentile_ms(latencies: Sequence[float], hundredth: int) -> float:
    """Return a percentile, from 1 to 99, of seconds, in milliseconds."""
    return 1000 * statistics.quantiles(latencies, n=100)[hundredth - 1]


def request(method: str, path: str, body: bytes = b"", **headers: str) -> Request:
    """Build the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in (HEADERS | headers).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def closed_loop(address: str, requests: Iterable[Request], connections: int, seconds: float) -> Tally:
    """Send the next request of a connection once the last is answered; measures the capacity of a server."""
    return uvloop.run(_closed_loop(address, requests, connections, seconds))


def open_loop(address: str, requests: Iterable[Request], connections: int, rate: float, seconds: float) -> Tally:
    """Send requests at a steady rate, whether or not earlier ones are answered; time in the queue counts as latency."""
    gc.collect()
    gc.freeze()  # otherwise this process's garbage-collection pauses count as latency
    return uvloop.run(_open_loop(address, requests, connections, rate, seconds))


class _Connection(asyncio.Protocol):
    """A connection with at most one request in flight."""

    def __init__(self, tally: Tally, idle: Callable[["_Connection"], None]) -> None:
        self._tally = tally
        self._idle = idle
        self._received = b""
        self._missing = 0
        self._due = 0.0
        self._transport: asyncio.Transport
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's class is not a subclass

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the signature of the protocol
        self.lost = True

    def send(self, content: Request, due: float) -> None:
        self._due = due
        self._transport.write(content)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._received += data
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._received[:end].lower()
            length = head.index(b"content-length:") + 15
            stop = head.find(b"\r", length)
            size = int(head[length : stop if stop > 0 else None])
            self._missing = size - (len(self._received) - end - 4)
            if head[9:10] != b"2":
                self._tally.errors += 1
                self._due = 0.0
        if self._missing == 0:
            self._received = b""
            if self._due:
                self._tally.latencies.append(time.perf_counter() - self._due)
            self._idle(self)


async def _connect(
    address: str, connections: int, tally: Tally, idle: Callable[[_Connection], None]
) -> list[_Connection]:
    url, loop = urlsplit(address), asyncio.get_running_loop()
    pool = []
    for _ in range(connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(tally, idle), str(url.hostname), url.port or 80
        )
        pool.append(connection)
    return pool


async def _closed_loop(address: str, requests: Iterable[Request], connections: int, seconds: float) -> Tally:
    tally, queue, finished = Tally(), cycle(requests), asyncio.Event()
    ends_at = time.perf_counter() + seconds
    active = connections

    def idle(connection: _Connection) -> None:
        nonlocal active
        now = time.perf_counter()
        if now < ends_at:
            connection.send(next(queue), now)
            return
        active -= 1
        if not active:
            finished.set()

    pool = await _connect(address, connections, tally, idle)
    began = time.perf_counter()
    for connection in pool:
        connection.send(next(queue), time.perf_counter())
    await asyncio.wait_for(finished.wait(), seconds + 30)
    tally.seconds = time.perf_counter() - began
    for connection in pool:
        connection.close()
    return tally


async def _open_loop(address: str, requests: Iterable[Request], connections: int, rate: float, seconds: float) -> Tally:
    tally, queue = Tally(), cycle(requests)
    waiting: deque[float] = deque()  # due times of requests without a free connection
    free: deque[_Connection] = deque()  # used in turn, or the server closes those that are idle
    all_free = asyncio.Event()

    def idle(connection: _Connection) -> None:
        if waiting:
            connection.send(next(queue), waiting.popleft())
            return
        free.append(connection)
        if len(free) == connections:
            all_free.set()

    pool = await _connect(address, connections, tally, idle)
    free += pool
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        if free:
            all_free.clear()
            free.popleft().send(next(queue), due)
        else:
            waiting.append(due)
    try:
        await asyncio.wait_for(all_free.wait(), PATIENCE_S)
    except TimeoutError:
        unsent, sent = len(waiting), connections - len(free)
        sys.exit(f"{PATIENCE_S} s after the last was due, {unsent} requests wait to be sent, and {sent} for an answer.")
    tally.seconds = time.perf_counter() - began
    for connection in pool:
        connection.close()
    return tally
