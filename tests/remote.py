"""Bodies of Prometheus remote write, and real Prometheus servers that send and store samples."""

import math
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cramjam
import httpx
import pytest
import yaml

from api.intake import messages
from shared.embedded.ports import free_port
from tests.waiting import until

STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0_0000_0000_0002))[0]
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
BLOCK_H = 18  # the largest block of a Prometheus that merged its blocks of two hours twice
Samples = Sequence[tuple[float, float]]  # seconds and values
Series = tuple[Mapping[str, str] | Sequence[tuple[str, str]], Samples]  # labels and samples


@dataclass(frozen=True)
class Server:
    """A Prometheus, which tests may stop for a while."""

    client: httpx.Client
    start: Callable[[], AbstractContextManager[None]]
    running: ExitStack

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop it, and start it again at the end."""
        self.running.close()
        yield
        self.running.enter_context(self.start())


@dataclass(frozen=True)
class Sender:
    """A Prometheus that sends to an address where an API may listen."""

    server: Server
    instance: str  # host and port of it
    port: int  # where it sends to

    @property
    def prometheus(self) -> httpx.Client:
        """A client for it."""
        return self.server.client

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{self.instance}"


def encoded(*series: Series) -> bytes:
    """Return a `WriteRequest`, not compressed."""
    request = messages.WriteRequest()
    for labels, samples in series:
        added = request.timeseries.add()
        for name, value in labels.items() if isinstance(labels, Mapping) else labels:
            added.labels.append(messages.Label(name=name.encode(), value=value.encode()).SerializeToString())
        for seconds, number in samples:
            added.samples.add(value=number, timestamp=int(seconds * 1000))
    return bytes(request.SerializeToString())


def send(api: httpx.Client, content: bytes, **headers: str) -> httpx.Response:
    """Send a `WriteRequest` as Prometheus does."""
    return api.post("/api/v1/write", content=bytes(cramjam.snappy.compress_raw(content)), headers=HEADERS | headers)


def program(name: str) -> str:
    """Return the path of a program of Debian's Prometheus packages; skip the test without it, except in CI."""
    if path := shutil.which(name):
        return path
    assert not os.environ.get("CI"), f"{name} is not installed: .ci/run installs it"
    pytest.skip(f"{name} is not installed")


def backfilled(instance: str, second: int) -> float:
    """Return the value that a backfilled metric has at a second."""
    return round(50 + 20 * math.sin(second / 3_600) + (second // 60) % 7 + len(instance), 6)


def backfill(
    folder: Path, instances: Sequence[str] = ("a", "bb"), hours: int = 12, step_s: int = 60
) -> tuple[int, int]:
    """Put blocks with the metric `backfilled` into the data of a Prometheus; return the first and the last second.

    The newest hours are in no block, as while Prometheus did not run.
    """
    end = int(time.time() - 3 * 3_600) // step_s * step_s
    start = end - hours * 3_600
    for instance in instances:
        series = f'backfilled{{instance="{instance}",job="history"}}'
        seconds = range(start, end + 1, step_s)
        write_blocks(folder, (f"{series} {backfilled(instance, second)} {second}\n" for second in seconds))
    return start, end


def write_blocks(folder: Path, samples: Iterable[str]) -> None:
    """Put blocks with samples into the data of a Prometheus. samples: lines of OpenMetrics, with their ends."""
    folder.mkdir(parents=True, exist_ok=True)
    history = folder / "history.txt"
    with history.open("w") as file:
        file.writelines(samples)
        file.write("# EOF\n")
    arguments = ["tsdb", "create-blocks-from", "openmetrics", f"--max-block-duration={BLOCK_H}h"]
    subprocess.run(
        [program("promtool"), *arguments, str(history), str(folder / "data")], check=True, capture_output=True
    )
    history.unlink()


@contextmanager
def prometheus(folder: Path, config: Mapping[str, Any], port: int = 0, options: Sequence[str] = ()) -> Iterator[Server]:
    """Run a Prometheus with its data in a folder."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(config)))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client, ExitStack() as running:
        server = Server(client, partial(_running, folder, client, options), running)
        running.enter_context(server.start())
        yield server


@contextmanager
def _running(folder: Path, client: httpx.Client, options: Sequence[str]) -> Iterator[None]:
    """Run the program."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{client.base_url.port}",
                "--storage.tsdb.retention.time=90d",
                "--storage.remote.flush-deadline=1s",
                *options,
            ],
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: _is_ready(client), seconds=30)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False
