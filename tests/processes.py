"""Databases, servers and processes of the pipeline, for tests."""

import os
import re
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import redis
import uvicorn
from fastapi import FastAPI

from api.chain.connections import Connection
from api.main import create_app
from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.schema import migrate
from tests.waiting import until

_templates = ExitStack()


def make_settings(**values: Any) -> Settings:
    """Return settings from these values alone; `.env` is ignored."""
    return Settings(_env_file=None, **values)


@contextmanager
def new_database(server_url: str, template: str = "template1") -> Iterator[str]:
    """Create a database on the server, empty or as a copy of another one; drop it afterwards."""
    plain = re.sub(r"^postgres(ql)?(\+psycopg2)?://", "postgresql://", server_url)
    name = f"tsad_test_{secrets.token_hex(6)}"
    connection = psycopg2.connect(plain)
    connection.autocommit = True
    try:
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield plain.rsplit("/", 1)[0] + f"/{name}"
        connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        connection.close()


@contextmanager
def migrated_database(server_url: str) -> Iterator[str]:
    """Create a database with every migration applied."""
    with new_database(server_url, _migrated_template(server_url)) as url:
        yield url


@cache
def _migrated_template(server_url: str) -> str:
    """Return the name of a migrated database on the server: a copy takes a fraction of the time of the migrations."""
    url = _templates.enter_context(new_database(server_url))
    migrate(url)
    return url.rpartition("/")[2]


def drop_templates() -> None:
    """Drop the databases that `migrated_database` copies; their servers must still run."""
    _migrated_template.cache_clear()
    _templates.close()


@contextmanager
def separate_settings(settings: Settings, server_url: str, redis_number: int) -> Iterator[Settings]:
    """Use a migrated database and an empty Redis database, so that workers take no jobs of other tests."""
    redis_url = f"{settings.redis_url.rsplit('/', 1)[0]}/{redis_number}"
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    with migrated_database(server_url) as url:
        yield settings.model_copy(update={"database_url": url, "redis_url": redis_url})


@contextmanager
def sessions_of(settings: Settings) -> Iterator[Sessions]:
    """Open a connection pool for the database of these settings."""
    sessions = Sessions(make_engine(settings, "tsad-tests"))
    yield sessions
    sessions.engine.dispose()


@contextmanager
def serving(
    settings: Settings, port: int = 0, change: Callable[[FastAPI], object] = id, **options: Any
) -> Iterator[httpx.Client]:
    """Serve the API on a real socket, and yield a client for it.

    `change` may modify the application before it starts; `options` go to uvicorn.
    """
    app = create_app(settings)
    change(app)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server on this port may have just stopped
    listening.bind(("127.0.0.1", port))
    defaults: dict[str, Any] = {
        "http": Connection,
        "limit_concurrency": settings.max_connections,
        "log_config": None,
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": 5,
    }
    config = uvicorn.Config(app, **defaults | options)
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


def _exit_code(process: "subprocess.Popen[bytes]") -> int | None:
    """Wait for the exit code; None if the process takes longer than the product allows."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(timeout=90)
    return None


@contextmanager
def running(
    settings: Settings, folder: Path, *arguments: str, exit_codes: Container[int] = (0, -15), **environment: str
) -> Iterator[Process]:
    """Run `python -m …` with these settings and stop it with SIGTERM; an unexpected exit code shows its log."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{arguments[0]}-{secrets.token_hex(3)}.log"
    values = settings.model_dump(exclude_defaults=True)
    variables = {name.upper(): str(value) for name, value in values.items()} | environment
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, "TMPDIR": str(folder), **variables},  # a killed process leaves temporary files
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Process(process, log)
        process.terminate()
        assert _exit_code(process) in exit_codes, log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()


def wait_for_worker(process: Process, seconds: float = 30) -> None:
    """Wait until the worker takes jobs; fail with its log if it exits first."""
    until(lambda: b" ready." in process.log.read_bytes() or process.popen.poll() is not None, seconds)
    assert process.popen.poll() is None, process.log.read_text()[-3000:]


@contextmanager
def api_process(
    settings: Settings, folder: Path, *options: str, **environment: Any
) -> Iterator[tuple[Process, httpx.Client]]:
    """Run the API in its own process with these uvicorn options; yield the process and a client."""
    port = free_port()
    arguments = ("uvicorn", "api.main:create_app", "--factory", f"--port={port}", *options)
    with running(settings, folder, *arguments, **environment) as process:
        until(lambda: b"running on" in process.log.read_bytes(), 60)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            yield process, client
