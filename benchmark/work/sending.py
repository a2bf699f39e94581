"""Points of other systems: remote write of 10,000 series, and the history of a source."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter as clock
from typing import Any
from urllib.parse import parse_qs

import cramjam

from api.intake.messages import Label, WriteRequest
from benchmark.access import HEADERS
from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, single
from benchmark.consumption import cpu_s
from benchmark.stack import Stack, running, wait_until
from shared.domain.series import DAY_S

SERIES, PER_REQUEST, SCRAPES = 10_000, 500, 6  # as Prometheus sends by default
FETCHED, DAYS, STEP_S = 50, 28, 60
ALL_SERIES = 1_000
VARIABLE = "TSAD_SOURCE_URL"  # with the URL of the source
SENT = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", **HEADERS}


def measure(stack: Stack, _pairs: int, _seconds: float) -> Iterator[Figure]:
    """Measure remote write, then a source with its history."""
    yield from remote_write(stack)
    yield from history(stack)


def remote_write(stack: Stack) -> Iterator[Figure]:
    """Measure samples per second of one sender, and the CPU time of the API for them."""
    stack.client.put(
        "/sources/sent", json={"kind": "remote_write", "id_template": "sent.{instance}"}
    ).raise_for_status()
    start = int(time.time()) - 60 * (SCRAPES + 1)
    send(stack, start)  # creates the streams
    used, began = cpu_s(stack.api_pid), clock()
    for scrape in range(1, SCRAPES + 1):
        send(stack, start + 60 * scrape)
    seconds, used = clock() - began, cpu_s(stack.api_pid) - used
    samples = SERIES * SCRAPES
    facts = {"series": SERIES, "seconds": round(seconds, 1), "cpu_seconds_of_the_api": round(used, 1)}
    yield single(
        "remote write of 10,000 series", "samples/s", [samples / seconds], Target(AT_LEAST, 1_000, 4_000), **facts
    )
    yield single("CPU of the API for a scrape of 10,000 series", "s", [used / SCRAPES], Target(AT_MOST, 15, 5), **facts)


def send(stack: Stack, second: int) -> None:
    """Send one scrape of all series, request by request."""
    for first in range(0, SERIES, PER_REQUEST):
        request = WriteRequest()
        for number in range(first, first + PER_REQUEST):
            series = request.timeseries.add()
            for name, value in (("__name__", "load"), ("instance", f"host-{number}"), ("job", "node")):
                series.labels.append(Label(name=name.encode(), value=value.encode()).SerializeToString())
            series.samples.add(value=number % 7 + second % 11, timestamp=second * 1000)
        content = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
        response = stack.client.post("/api/v1/write", content=content, headers=SENT)
        if response.status_code != 204:
            sys.exit(f"Remote write returned {response.status_code}: {response.text}")


def history(stack: Stack) -> Iterator[Figure]:
    """Measure how long the history of a source takes, from a few series to all."""
    with answering() as url, outbound(stack, url):
        document = {
            "kind": "prometheus",
            "url_env": VARIABLE,
            "queries": [{"query": "load", "id_template": "fetched.{instance}", "step": f"{STEP_S}s"}],
            "every": "1d",
            "history": f"{DAYS}d",
        }
        began = clock()
        stack.client.put("/sources/fetched", json=document).raise_for_status()
        wait_until(lambda: newest(stack)["status"] != "running", 3_600, 0.2)
        seconds = clock() - began
    run = newest(stack)
    if run["status"] != "succeeded":
        sys.exit(f"The source was not fetched: {run}")
    minutes = run["points"] and seconds / run["points"] * (ALL_SERIES * DAYS * DAY_S / STEP_S) / 60
    facts = {"series": run["series"], "points": run["points"], "seconds": round(seconds, 1)}
    yield single(
        "points fetched from a source", "points/s", [run["points"] / seconds], Target(AT_LEAST, 5_000, 60_000), **facts
    )
    yield single("history of 1,000 series of 28 days of minutes", "min", [minutes], Target(AT_MOST, 120, 10), **facts)


def newest(stack: Stack) -> dict[str, Any]:
    """Return the newest run of the source."""
    runs = stack.client.get("/sources/fetched/runs").json()["runs"]
    return runs[0] if runs else {"status": "running"}


@contextmanager
def outbound(stack: Stack, url: str) -> Iterator[None]:
    """Run outbound, which may connect to this machine."""
    env = {**stack.env, "EGRESS_ALLOW": "127.0.0.0/8", VARIABLE: url}
    with running(stack.folder / "outbound.log", env, "worker.outbound"):
        yield


@contextmanager
def answering() -> Iterator[str]:
    """Answer queries as a Prometheus would that has all points; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            start, end, step = (int(form[name][0]) for name in ("start", "end", "step"))
            rows = ",".join(f'[{second},"{second // step % 97 / 8}"]' for second in range(start, end + 1, step))
            series = (f'{{"metric":{{"instance":"host-{number}"}},"values":[{rows}]}}' for number in range(FETCHED))
            head = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": []}})
            body = head.replace("[]", f"[{','.join(series)}]").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
