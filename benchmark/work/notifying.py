"""From a point to the message about it: how long the first message of an alert takes, beside a steady push."""

import json
import time
from collections.abc import Iterator
from time import perf_counter as clock

from benchmark.comparing import AT_MOST, Figure, Target, single
from benchmark.load import percentile_ms
from benchmark.stack import Stack, running, wait_until
from benchmark.work.predicting import copy_series
from benchmark.work.pushing import KNOWN, RATE, STEADY, STEP_S, Feed, fit, send, steady
from tests.worker.outbound.receiving import Received, receiving

ALERTS, EVERY_S = 100, 0.3
STREAMS = 1_000
WATCH, PREFIX = "notified", "notified-"
FAR = 1e6
WITHIN_S = 60.0  # for the last message


def measure(stack: Stack, _pairs: int, _seconds: float) -> Iterator[Figure]:
    """Let alerts open one by one, and measure the time from the request with the point to the receiver's socket."""
    begin = int(time.time()) // STEP_S * STEP_S - 86_400
    with stack.worker():
        fit(stack, STEADY, begin)
    feeds = {}
    for prefix, streams in ((PREFIX, ALERTS), ("steady-", STREAMS)):
        copy_series(stack, f"pushed-{STEADY}", prefix, streams)
        feeds[prefix] = Feed([f"{prefix}{number}" for number in range(streams)], begin - STEP_S * (KNOWN - 1))
        send(stack, feeds[prefix].pushes(1_000), KNOWN * streams // 1_000)
    arrived: dict[str, float] = {}

    def respond(request: Received) -> int:
        for alert in request.json["data"]["alerts"]:
            arrived.setdefault(alert["series_id"], clock())
        return 204

    env = {**stack.env, "EGRESS_ALLOW": "127.0.0.0/8"}
    with receiving() as server, running(stack.folder / "outbound.log", env, "worker.outbound"):
        server.respond = respond
        _configure(stack, server.url)
        with steady(stack, feeds["steady-"], ALERTS * EVERY_S + 3):
            sent = {f"{PREFIX}{number}": _push(stack, number, begin) for number in range(ALERTS)}
        wait_until(lambda: len(arrived) == ALERTS, WITHIN_S, 0.1)
    taken_s = [arrived[name] - sent[name] for name in sent]
    work = f"from a point to the receiver of its message, beside {RATE:,} points/s"
    yield single(f"{work}: p50", "ms", [percentile_ms(taken_s, 50)], Target(AT_MOST, 1_000), messages=ALERTS)
    yield single(f"{work}: p99", "ms", [percentile_ms(taken_s, 99)], Target(AT_MOST, 1_000))


def _configure(stack: Stack, url: str) -> None:
    receiver = {"kind": "webhook", "url": url}
    stack.client.put(f"/receivers/{WATCH}", json=receiver).raise_for_status()
    notify = {"receivers": [WATCH], "group_wait": "0s", "at_most": {"messages": 10 * ALERTS, "per": "1d"}}
    opening = {"anomalies": 1, "of": 1}
    watch = {"prefix": PREFIX, "refit": "off", "silence": "off", "open": opening, "notify_within": "30d"}
    stack.client.put(f"/watches/{WATCH}", json=watch | {"notify": notify}).raise_for_status()


def _push(stack: Stack, number: int, begin: int) -> float:
    """Push a point that opens an alert, after a pause; return when the request was sent."""
    time.sleep(EVERY_S)
    body = json.dumps({"timestamps": [begin + STEP_S], "values": [FAR]})
    sent = clock()
    stack.client.post(f"/series/{PREFIX}{number}/points", content=body).raise_for_status()
    return sent
