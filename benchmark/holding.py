"""Connections that are held open, from their own process: requests that never end, responses that nobody reads."""

import asyncio
import resource
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from socket import AF_INET, SO_RCVBUF, SOL_SOCKET, socket
from urllib.parse import urlsplit

from benchmark.crowd import beside
from benchmark.load import Request

AT_A_TIME = 100  # connections that begin together
BETWEEN_S = 1.0  # two bytes of a body, and the end of a connection and the next one
SMALLEST_BUFFER = 4096


@dataclass(frozen=True)
class Held:
    """A request that `connections` clients send at the same time; each begins again when it is disconnected."""

    name: str
    content: Request
    connections: int
    drip: bytes = b""  # sent every `BETWEEN_S`
    reads: bool = True  # whether the clients read the response


def holding(address: str, held: Held) -> AbstractContextManager[None]:
    """Hold the connections during the block, which begins once each has been opened."""
    return beside(_hold, address, held)


def _hold(address: str, held: Held, began: Event, ends: Event) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_hold_all(address, held, began, ends))


async def _hold_all(address: str, held: Held, began: Event, ends: Event) -> None:
    clients = []
    for number in range(held.connections):
        clients.append(asyncio.create_task(_hold_one(address, held)))
        if number % AT_A_TIME == 0:
            await asyncio.sleep(0.01)
    began.set()
    while not ends.is_set():  # noqa: ASYNC110 - another process sets it
        await asyncio.sleep(0.05)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def _hold_one(address: str, held: Held) -> None:
    url = urlsplit(address)
    while True:
        with suppress(OSError), socket(AF_INET) as connection:
            connection.setblocking(False)  # noqa: FBT003 - the only way
            if not held.reads:
                connection.setsockopt(SOL_SOCKET, SO_RCVBUF, SMALLEST_BUFFER)
            await _until_closed(connection, (str(url.hostname), url.port or 80), held)
        await asyncio.sleep(BETWEEN_S)


async def _until_closed(connection: socket, server: tuple[str, int], held: Held) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, server)
    await loop.sock_sendall(connection, held.content)
    while True:
        if not held.reads:  # a reset is noticed when the next byte is sent
            await asyncio.sleep(BETWEEN_S)
            await loop.sock_sendall(connection, b"\n")
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(BETWEEN_S):
                if not await loop.sock_recv(connection, 65_536):
                    return
        if held.drip:
            await loop.sock_sendall(connection, held.drip)
