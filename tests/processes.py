"""The pipeline's own servers and processes, as tests start them."""

import os
import re
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import redis
import uvicorn
from fastapi import FastAPI

from api.chain.connections import Connection
from api.main import create_app
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.schema import migrate
from tests.waiting import until


def make_settings(**values: Any) -> Settings:
    """Settings from these values alone, whatever `.env` says."""
    return Settings(_env_file=None, **values)


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """An empty database of its own on the server."""
    plain = re.sub(r"^postgres(ql)?(\+psycopg2)?://", "postgresql://", server_url)
    name = f"tsad_test_{secrets.token_hex(6)}"
    connection = psycopg2.connect(plain)
    connection.autocommit = True
    try:
        connection.cursor().execute(f"CREATE DATABASE {name}")
        yield plain.rsplit("/", 1)[0] + f"/{name}"
        connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        connection.close()


@contextmanager
def apart(settings: Settings, server_url: str, redis_number: int) -> Iterator[Settings]:
    """A migrated database and an empty one of Redis: workers would fit what other tests fit in their process."""
    redis_url = f"{settings.redis_url.rsplit('/', 1)[0]}/{redis_number}"
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    with new_database(server_url) as url:
        migrate(url)
        yield settings.model_copy(update={"database_url": url, "redis_url": redis_url})


@contextmanager
def sessions_of(settings: Settings) -> Iterator[Sessions]:
    """Connections of a test's own."""
    made = Sessions(make_engine(settings, "tsad-tests"))
    yield made
    made.engine.dispose()


@contextmanager
def serving(
    settings: Settings, port: int = 0, change: Callable[[FastAPI], object] = id, **options: Any
) -> Iterator[httpx.Client]:
    """The API on a real socket, with a client for it; changed before it starts, where a test wants more of it.

    Options are uvicorn's.
    """
    app = create_app(settings)
    change(app)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # it may serve where another has just stopped
    listening.bind(("127.0.0.1", port))
    given: dict[str, Any] = {
        "http": Connection,
        "limit_concurrency": settings.max_connections,
        "log_config": None,
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": 5,
    }
    config = uvicorn.Config(app, **given | options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@dataclass(frozen=True)
class Process:
    """A process of the pipeline, started as operators start it."""

    popen: "subprocess.Popen[bytes]"
    log: Path


def _ended(process: "subprocess.Popen[bytes]") -> int | None:
    """Its exit code; None when it goes on for longer than the product allows itself."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(timeout=90)
    return None


@contextmanager
def running(
    settings: Settings, folder: Path, *arguments: str, exit_codes: Container[int] = (0, -15), **environment: str
) -> Iterator[Process]:
    """`python -m …` with these settings, ended with SIGTERM; its log is shown when it ends otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{arguments[0]}-{secrets.token_hex(3)}.log"
    values = settings.model_dump(exclude_defaults=True)
    own = {name.upper(): str(value) for name, value in values.items()} | environment
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, "TMPDIR": str(folder), **own},  # where a killed one leaves its temporary files
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Process(process, log)
        process.terminate()
        assert _ended(process) in exit_codes, log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()
