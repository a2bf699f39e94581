"""A TLS proxy for servers without TLS, to simulate managed databases."""

import asyncio
import ssl
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from threading import Thread

import trustme

from shared.embedded.ports import LOCALHOST

NAME = "localhost"  # the name in the certificates


@contextmanager
def encrypted(authority: trustme.CA, port: int, *, postgres: bool = False) -> Iterator[int]:
    """Yield a TLS port of `localhost` that forwards to this port. PostgreSQL clients ask for TLS in plain text."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    calls: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls[asyncio.current_task()] = writer
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            if postgres:
                await reader.readexactly(8)
                writer.write(b"S")
                await writer.start_tls(context)
            upstream_reader, upstream_writer = await asyncio.open_connection(LOCALHOST, port)
            with closing(upstream_writer):
                directions = [
                    asyncio.create_task(_pass_on(reader, upstream_writer)),
                    asyncio.create_task(_pass_on(upstream_reader, writer)),
                ]
                try:
                    await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for direction in directions:
                        direction.cancel()

    async def serve() -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(connected, LOCALHOST, 0, ssl=None if postgres else context)
        listening.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
        async with server:
            await stop.wait()
            for writer in calls.values():  # Celery's producers keep their connections
                with suppress(AttributeError):  # Python 3.11.2: of a TLS transport that is closed already
                    writer.transport.abort()
            await asyncio.gather(*filter(None, calls))

    listening: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    tls_port, loop, stop = listening.result(10)
    try:
        yield tls_port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
