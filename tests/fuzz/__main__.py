"""`python3 run fuzz`: read changed files, and send generated requests and mutated bodies to a live stack.

Exits with 1 if a file is misread, a response is wrong, or anything ends in a traceback.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI

from shared.embedded import Embedded
from shared.store.engine import Sessions, make_engine
from shared.store.schema import migrate
from tests.fuzz import conformance, files, mutated, slow
from tests.fuzz.report import Row, show
from tests.fuzz.streams import EndingStreams
from tests.keys import key_maker
from tests.points import ramp
from tests.processes import make_settings, running, serving
from tests.turns import Turns
from tests.waiting import until

SERIES = "fuzzed"
EXAMPLES = 25


def main() -> int:
    """Run all parts and print the table."""
    parser = argparse.ArgumentParser(prog="python3 run fuzz", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the random bodies; the same seed sends the same ones"
    )
    parser.add_argument("--bodies", type=int, default=2000, help="mutated bodies per route")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="generated requests per operation")
    parser.add_argument("--files", type=int, default=5000, help="changed files to read")
    parser.add_argument("--only-files", action="store_true", help="start no servers and send no requests")
    arguments = parser.parse_args()
    began = time.monotonic()
    rows: list[Row] = [*files.measure(arguments.seed, arguments.files)]
    rows += [] if arguments.only_files else measure_requests(arguments)
    show(rows)
    wrong = sum(len(row.wrong) for row in rows)
    print(f"seed {arguments.seed}: {wrong} wrong, {time.monotonic() - began:.0f} s")  # noqa: T201
    return 1 if wrong else 0


def measure_requests(arguments: argparse.Namespace) -> list[Row]:
    """Send generated requests, mutated bodies and expensive requests."""
    turns = Turns()
    with running_api(turns) as (api, sessions, token):
        rows = [*conformance.measure(str(api.base_url), token, arguments.seed, arguments.examples)]
        prepare(api)
        rows += mutated.measure(api, SERIES, arguments.seed, arguments.bodies)
        rows += slow.measure(api, sessions, turns)
    return rows


@contextmanager
def running_api(turns: Turns) -> Iterator[tuple[httpx.Client, Sessions, str]]:
    """An API that requires a key, a worker and the reconciler, on their own servers."""

    def change(app: FastAPI) -> None:
        app.add_middleware(EndingStreams)
        turns.install(app)

    folder = Path(tempfile.mkdtemp(prefix="tsad-fuzz-"))
    folder.chmod(0o711)  # if we are root, the servers run as another user
    try:
        with Embedded(folder / "home", durable=False) as servers:
            migrate(servers.database_url)
            settings = make_settings(
                database_url=servers.database_url,
                redis_url=servers.redis_url,
                training_data_folder=folder / "data",
                model_state_folder=folder / "models",
                log_level="ERROR",
            )
            sessions = Sessions(make_engine(settings, "tsad-fuzz"))
            key = key_maker(sessions)()
            with (
                serving(settings, change=change) as api,
                running(settings, folder, "worker"),
                running(settings, folder, "worker.reconciling"),
            ):
                api.auth = key
                yield api, sessions, key.token
            sessions.engine.dispose()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(api: httpx.Client) -> None:
    """Fit a series so that bodies reach the detectors."""
    until(
        lambda: api.post(f"/fit/{SERIES}", json=ramp(), headers={"Prefer": "wait=30"}).json()["status"] == "succeeded",
        60,
    )


if __name__ == "__main__":
    sys.exit(main())
