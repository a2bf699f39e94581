"""Processes of the benchmark: API, worker and ceilings, with their own database servers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmark.access import HEADERS, require_key
from shared.embedded import Embedded
from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.schema import migrate

READY_S, FITTED_S, GENERATED_S = 60, 300, 3_600
ON_A_DISK = "/var/tmp"  # noqa: S108 - /tmp may be in memory, where no write waits for a disk
ROOT = Path(__file__).resolve().parents[1]
SERVE = ("--no-server-header", "--no-access-log", "--log-level=warning")  # options of the ceiling, as for the service
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


@dataclass
class Stack:
    """The running processes: URLs, a client, and methods to start more."""

    folder: Path
    env: dict[str, str]
    processes: ExitStack
    api: str = ""
    api_pid: int = 0
    ceiling: str = ""
    client: httpx.Client = field(default_factory=httpx.Client)

    @property
    def settings(self) -> Settings:
        """Settings with the URLs of the servers and defaults for the rest."""
        return Settings(_env_file=None, database_url=self.env["DATABASE_URL"], redis_url=self.env["REDIS_URL"])

    def sessions(self) -> Sessions:
        """Open the database, to write generated rows, however long that takes."""
        patient = self.settings.model_copy(update={"database_statement_timeout_s": GENERATED_S})
        return Sessions(make_engine(patient, "tsad-benchmark"))

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a Python module as a process that ends with the benchmark."""
        return self.processes.enter_context(running(self.folder / f"{arguments[0]}.log", self.env, *arguments))

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a worker during the block, which begins once the worker is ready."""
        log = self.folder / "worker.log"
        with running(log, self.env, "worker") as process:
            wait_until(lambda: b" ready." in log.read_bytes())
            yield process
        log.unlink()

    def fit(self, series_id: str, body: bytes) -> dict[str, Any]:
        """Fit a series and return its job once it has succeeded."""
        return self.succeeded(self.send(series_id, body))

    def send(self, series_id: str, body: bytes) -> str:
        """Send a fit and return its job's id."""
        response = self.client.post(f"/fit/{series_id}", content=body)
        if response.status_code != 202:
            sys.exit(f"The fit returned {response.status_code} instead of 202: {response.text}")
        return str(response.json()["job_id"])

    def succeeded(self, job_id: str) -> dict[str, Any]:
        """Wait until a job succeeds, and return it; end the benchmark if it fails or takes too long."""
        deadline = time.monotonic() + FITTED_S
        while True:
            job: dict[str, Any] = self.client.get(f"/jobs/{job_id}?wait=10").json()
            if job["status"] == "succeeded":
                return job
            if job["finished_at"] or time.monotonic() > deadline:
                sys.exit(f"The job did not succeed: {job}")


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Run one API process and the ceilings, with their own durable PostgreSQL and Redis-compatible server."""
    folder = Path(tempfile.mkdtemp(prefix="tsad-benchmark-", dir=os.environ.get("TMPDIR", ON_A_DISK)))
    folder.chmod(0o711)  # if root starts the servers, they run as another user
    try:
        with Embedded(folder / "home") as servers, ExitStack() as processes:
            migrate(servers.database_url)
            env = {
                **os.environ,
                **ONE_THREAD,
                "DATABASE_URL": servers.database_url,
                "REDIS_URL": servers.redis_url,
                "TRAINING_DATA_FOLDER": str(folder / "data"),
                "MODEL_STATE_FOLDER": str(folder / "models"),
                "EGRESS_ALLOW": "127.0.0.1",  # where the Prometheus of the benchmark is
            }
            stack = Stack(folder, env, processes)
            require_key(stack.sessions())
            start_api(stack)
            port = free_port()
            stack.start("uvicorn", "benchmark.ceilings:app", f"--port={port}", *SERVE)
            stack.ceiling = f"http://127.0.0.1:{port}"
            wait_until(lambda: is_up(stack.ceiling + "/openapi.json"))
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_api(stack: Stack) -> float:
    """Start the API and wait until it is ready; return how many seconds that took."""
    port = free_port()
    began = time.perf_counter()
    process = stack.start("api", f"--port={port}")  # as `run up` and the image start it
    stack.api, stack.api_pid = f"http://127.0.0.1:{port}", process.pid
    wait_until(lambda: is_up(stack.api + "/readyz"))
    seconds = time.perf_counter() - began
    stack.client = stack.processes.enter_context(
        httpx.Client(base_url=stack.api, headers=HEADERS, timeout=60, trust_env=False)
    )
    return seconds


def body_of(timestamps: Sequence[int], values: Sequence[float]) -> bytes:
    """Encode the body of a fit with `json.dumps`."""
    return json.dumps({"timestamps": list(timestamps), "values": list(values)}).encode()


def is_up(address: str) -> bool:
    """Check whether a GET returns 200."""
    try:
        return httpx.get(address, trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def wait_until(condition: Callable[[], object], seconds: float = READY_S, pause_s: float = 0.005) -> None:
    """Wait until the condition holds; end the benchmark if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"A process was not ready within {seconds:g} s.")
        time.sleep(pause_s)


@contextmanager
def running(log: Path, env: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `python -m …` during the block; then send SIGTERM, and kill it after 40 s."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", *arguments]
        process = subprocess.Popen(  # in its own session, as `run up` starts it
            command, env=env, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=40)
        finally:
            process.kill()
            process.wait()
