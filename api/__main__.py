"""`python -m api`: serve the API with the Uvicorn options that it relies on."""

import argparse
import gc
import resource
import sys

import uvicorn
from fastapi import FastAPI

from api.chain.connections import Connection
from api.main import create_app
from shared.domain.detectors import offered
from shared.errors import InputError, SetupError
from shared.settings import Settings

GRACE_S = 25  # for open requests at shutdown
SWITCH_EVERY_S = 0.0005  # how long a computing thread may keep the event loop from the interpreter; 0.005 by default
COLLECT_AT = 5_000, 5, 50  # thresholds of garbage collection; 700, 10, 10 by default


def main() -> None:
    """Serve until a signal stops the process."""
    parser = argparse.ArgumentParser(prog="python -m api")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    arguments = parser.parse_args()
    settings = Settings.of_process("database", "redis")
    try:
        offered(settings.default_detector)
    except InputError as error:
        raise SystemExit(f"DEFAULT_DETECTOR is {settings.default_detector}: {error.detail}") from None
    allow_files(settings.max_connections + 256)
    uvicorn.run(
        "api.__main__:make_app",
        factory=True,
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        http=Connection,
        limit_concurrency=settings.max_connections,
        proxy_headers=False,  # authentication relies on the address of the socket
        server_header=False,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def make_app() -> FastAPI:
    """Create the application of one process, and make garbage collections rare and short.

    Imported modules stay in memory anyway. Without `gc.freeze()`, each full collection traverses all of them and delays
    concurrent requests by a tenth of a second. What is cached for 10,000 streams takes a sixth of that.
    """
    sys.setswitchinterval(SWITCH_EVERY_S)
    try:
        app = create_app()
    except SetupError as error:
        raise SystemExit(error.detail) from None
    gc.set_threshold(*COLLECT_AT)
    gc.collect()
    gc.freeze()
    return app


def allow_files(required: int) -> None:
    """Raise the process's limit on open files to at least `required`, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < required:
        allowed = required if hard == resource.RLIM_INFINITY else min(required, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


if __name__ == "__main__":
    main()
