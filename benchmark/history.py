"""A real Prometheus with the history of many series, which it also scrapes: each is a daily wave with noise."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np

from tests.remote import BLOCK_H, prometheus, write_blocks

METRIC, STEP_S, DAY_S = "load", 60, 86_400
BLOCK_S = BLOCK_H * 3_600
# Without these, it would merge the blocks while it is measured.
OPTIONS = ("--storage.tsdb.min-block-duration=2h", f"--storage.tsdb.max-block-duration={BLOCK_H}h")


class Waves:
    """The values of so many series at any time."""

    def __init__(self, series: int) -> None:
        random = np.random.default_rng(7)
        self._phase = random.uniform(0, 2 * np.pi, (series, 1))
        self._level = random.uniform(10, 200, (series, 1))
        self._height = random.uniform(1, 30, (series, 1))
        self._noise = np.random.default_rng(1)
        self.names = [f'{METRIC}{{instance="host{number:04d}:9100",job="many"}}' for number in range(series)]

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Return the values of all series at (n,) times, (series, n)."""
        waves = np.sin(seconds / DAY_S * 2 * np.pi + self._phase)
        return self._level + self._height * waves + self._noise.normal(size=waves.shape)

    def lines(self, start: int, end: int) -> Iterator[str]:
        """Yield samples from one time to before another, one line each."""
        seconds = np.arange(start, end, STEP_S)
        times = [f" {second}\n" for second in seconds.tolist()]
        for name, values in zip(self.names, self.at(seconds).tolist(), strict=True):
            yield "".join([f"{name} {value:.2f}{time}" for value, time in zip(values, times, strict=True)])


@contextmanager
def scraped(waves: Waves) -> Iterator[str]:
    """Serve the values of this moment; yield host and port."""

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            values = waves.at(np.array([time.time()]))[:, 0].tolist()
            lines = (f"{name} {value:.2f}\n" for name, value in zip(waves.names, values, strict=True))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write("".join(lines).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def with_history(folder: Path, series: int, days: float) -> Iterator[httpx.Client]:
    """Run a Prometheus with so many days of history, up to now; yield a client for it."""
    waves = Waves(series)
    start = int(time.time() - days * DAY_S) // STEP_S * STEP_S
    while start < (now := int(time.time()) // STEP_S * STEP_S):
        end = min((start // BLOCK_S + 1) * BLOCK_S, now)
        write_blocks(folder, waves.lines(start, end))
        print(f"  {(now - end) / DAY_S:.1f} days of history to write", end="\r", file=sys.stderr, flush=True)
        start = end
    with scraped(waves) as target:
        job = {"job_name": "many", "honor_labels": True, "static_configs": [{"targets": [target]}]}
        config = {"global": {"scrape_interval": "15s"}, "scrape_configs": [job]}
        with prometheus(folder, config, options=OPTIONS) as server:
            yield server.client
