"""`tsad up`: serve on this machine until a signal arrives."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import ApiPort, ApiProcesses, Concurrency, FlowerPort
from api.cli.stack import FLOWER_USER, running_stack
from shared.embedded import default_home


def up(
    *,
    port: ApiPort = 8000,
    flower_port: FlowerPort = 5555,
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="TSAD_HOME",
            help="Folder for all files that tsad writes.",
            show_default="~/.local/state/tsad, or /var/lib/tsad for root",
        ),
    ] = None,
    concurrency: Concurrency = None,
    api_processes: ApiProcesses = 1,
) -> None:
    """Start everything on this machine and serve until Ctrl-C or SIGTERM.

    This includes PostgreSQL and a Redis-compatible server, unless DATABASE_URL and REDIS_URL are set.
    """
    try:
        with running_stack(
            home or default_home(),
            port=port,
            flower_port=flower_port,
            concurrency=concurrency,
            api_processes=api_processes,
            say=say,
        ) as stack:
            say(f"API:    {stack.api_url}/docs")
            say(f"Flower: {stack.flower_url} (user {FLOWER_USER}, password: secrets.flower in {stack.home}/state.json)")
            say(f"Data:   {stack.home} (logs in {stack.home}/logs)")
            print(f"ready: {stack.api_url}", flush=True)
            try:
                stack.supervisor.watch()
            finally:
                say("Stopping …")
    except KeyboardInterrupt:
        say("Stopped.")


def say(line: str) -> None:
    with suppress(OSError):  # keep serving after the terminal or pipe has closed
        print(line, file=sys.stderr, flush=True)
