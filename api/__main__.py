"""`python -m api`: the API on a port, with the options it relies on."""

import argparse
import gc
import resource

import uvicorn
from fastapi import FastAPI

from api.chain.connections import Connection
from api.main import create_app
from shared.settings import Settings

GRACE_S = 25  # for requests that are under way at the end


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m api")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    given = parser.parse_args()
    settings = Settings.of_process("database", "redis")
    allow_files(settings.max_connections + 256)
    uvicorn.run(
        "api.__main__:make_app",
        factory=True,
        host=given.host,
        port=given.port,
        workers=given.workers,
        http=Connection,
        limit_concurrency=settings.max_connections,
        proxy_headers=False,  # who asks is judged by the socket
        server_header=False,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def make_app() -> FastAPI:
    """The application of one process.

    What was imported by now stays. Looking through all of it for garbage, which the interpreter does now and then, held
    up every request of that moment for a tenth of a second.
    """
    app = create_app()
    gc.collect()
    gc.freeze()
    return app


def allow_files(wanted: int) -> None:
    """Let this process open as many files as connections need, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


if __name__ == "__main__":
    main()
