"""One large fit: how long its acceptance takes, and how much memory, beside what `json.loads` takes for the same bytes.

    python benchmark/large_fit.py [--points 1000000]

Uses PostgreSQL and Redis of DATABASE_URL and REDIS_URL, or starts its own. Ends with 1 when a limit is broken.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np

from shared.embedded import Embedded
from shared.embedded.ports import free_port
from shared.store.schema import migrate

MOST_TIMES_BODY = 6
READY_S, FITTED_S = 60, 120
MIB = 1024 * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--points", type=int, default=1_000_000)
    body = make_body(parser.parse_args().points)
    with (
        tempfile.TemporaryDirectory(prefix="tsad-large-fit-") as folder,
        pipeline(Path(folder)) as (address, api),
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        return report(client, api, body)


def make_body(points: int) -> bytes:
    """A series as a sensor would send it, in the JSON that `json.dumps` makes."""
    values = np.random.default_rng(1).normal(20, 5, points)
    return json.dumps(
        {"timestamps": [1_600_000_000 + 60 * place for place in range(points)], "values": values.tolist()}
    ).encode()


def report(client: httpx.Client, api: int, body: bytes) -> int:
    """Measure, print, and return the exit code."""
    small = json.dumps({"timestamps": [1, 2, 3], "values": [1, 2, 3]}).encode()
    for _ in range(3):  # so that neither first imports nor first connections count
        wait_for_success(client, send(client, "warm-up", small))
    reference_s = median_of_loads(body)
    idle = resident(api)
    forget_peak(api)
    began = time.perf_counter()
    job_id = send(client, "large", body)
    accepted_s = time.perf_counter() - began
    peak = peak_resident(api)
    job = wait_for_success(client, job_id)
    ratio = (peak - idle) / len(body)
    in_time, in_memory = accepted_s <= reference_s, ratio <= MOST_TIMES_BODY
    print(f"points          {job['points_used']:>12,}")
    print(f"body            {len(body) / MIB:>12.1f} MiB")
    print(f"json.loads      {reference_s * 1000:>12.0f} ms (median of 5)")
    print(f"202 after       {accepted_s * 1000:>12.0f} ms {verdict(in_time)}")
    print(f"API idle        {idle / MIB:>12.1f} MiB")
    print(f"API peak        {peak / MIB:>12.1f} MiB")
    print(f"(peak-idle)/body{ratio:>12.2f} {verdict(in_memory)}")
    print(f"job             {job['status']:>12} as version {job['version']}")
    return 0 if in_time and in_memory else 1


def verdict(kept: bool) -> str:  # noqa: FBT001 - printed as it is
    return "ok" if kept else "TOO MUCH"


def median_of_loads(body: bytes) -> float:
    """Seconds that the standard library takes to read the body."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        json.loads(body)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def send(client: httpx.Client, series_id: str, body: bytes) -> str:
    answer = client.post(f"/fit/{series_id}", content=body)
    if answer.status_code != 202:
        sys.exit(f"The fit was answered {answer.status_code}: {answer.text}")
    return str(answer.json()["job_id"])


def wait_for_success(client: httpx.Client, job_id: str) -> dict[str, object]:
    deadline = time.monotonic() + FITTED_S
    while True:
        job: dict[str, object] = client.get(f"/jobs/{job_id}?wait=10").json()
        if job["status"] == "succeeded":
            return job
        if job["finished_at"] or time.monotonic() > deadline:
            sys.exit(f"The job did not succeed: {job}")


# --------------------------------------------------------------------------------------------------------- memory


def resident(pid: int) -> int:
    return _status(pid, "VmRSS")


def peak_resident(pid: int) -> int:
    """The largest resident size since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


# ------------------------------------------------------------------------------------------------------ processes


@contextmanager
def pipeline(folder: Path) -> Iterator[tuple[str, int]]:
    """An API and a worker with servers of the environment or of their own: the API's address and process id."""
    folder.chmod(0o711)  # as root, the servers run as another user
    database_url, redis_url = os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", "")
    servers = Embedded(folder / "home", postgres=not database_url, valkey=not redis_url)
    with servers, ExitStack() as processes:
        port = free_port()
        env = {
            **os.environ,
            "DATABASE_URL": database_url or servers.database_url,
            "REDIS_URL": redis_url or servers.redis_url,
            "TRAINING_DATA_FOLDER": str(folder / "data"),
            "MODEL_STATE_FOLDER": str(folder / "models"),
        }
        migrate(env["DATABASE_URL"])
        serve = ("uvicorn", "api.main:create_app", "--factory", f"--port={port}", "--no-access-log")
        api = processes.enter_context(_running(folder / "api.log", env, *serve))
        processes.enter_context(_running(folder / "worker.log", env, "worker"))
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(address)
        yield address, api.pid


@contextmanager
def _running(log: Path, env: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", *arguments], env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
            process.wait()


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            if httpx.get(f"{address}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            sys.exit(f"The API is not ready after {READY_S} s.")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
