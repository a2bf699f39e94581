"""The most expensive request that each kind of route accepts or has to read before it refuses it."""

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cramjam
import httpx
import numpy as np

from tests import remote

CHEAP, SLOW, LONG = "worst-baseline", "worst-auto", "worst-msnn"  # series; LONG has many points and modes
STORED = "worst-stored"  # a series with points that were pushed
START = 1_700_000_000
CONTEXT = 4096


@dataclass(frozen=True)
class Worst:
    """A request with a name, and the bytes that it sends."""

    name: str
    method: str
    path: str
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_endless: bool = False  # the response is not read

    def send(self, api: httpx.Client) -> httpx.Response:
        if self.is_endless:
            with api.stream(self.method, self.path, headers=self.headers) as answer:
                return answer
        return api.request(self.method, self.path, content=self.content, headers=self.headers)


def season(points: int, **fields: object) -> dict[str, object]:
    """The body of a fit that every detector can learn from."""
    values = 10 + np.sin(np.arange(points) / 48 * 6.28) + np.random.default_rng(1).normal(0, 0.1, points)
    timestamps = START + 600 * np.arange(points)
    return {"timestamps": timestamps.tolist(), "values": values.tolist(), **fields}


def fits(long: int) -> dict[str, dict[str, object]]:
    """The bodies of the fits that the requests need, by series id."""
    return {
        CHEAP: season(500, detector="baseline"),
        SLOW: season(2000, detector="auto"),
        LONG: season(long, detector="msnn"),
    }


def requests(points: int) -> Iterator[Worst]:
    """Every kind of request; `points` scales batches and fits, 100,000 being the largest batch."""
    yield from _predictions(points)
    yield from _fits(points)
    yield from _pushes(points)
    yield from _configurations(points)
    yield from _reads()
    yield from _heads()


def _predictions(points: int) -> Iterator[Worst]:
    context = season(CONTEXT)["values"]
    one = {"timestamp": START + 600 * 100_000, "value": 10.0, "context": context}
    for series_id in (CHEAP, SLOW, LONG):
        yield Worst(f"point with context, {series_id}", "POST", f"/predict/{series_id}?explain=true", _json(one))
        point = {"series_id": series_id, "timestamp": START + 600 * 2001, "value": 10.0}
        count = 50 if series_id == SLOW else 1000  # a verdict of this detector takes 15 ms
        yield Worst(f"{count:,} points, {series_id}", "POST", "/predict", _json({"points": [point] * count}))
    many = [{"series_id": LONG, "timestamp": 1, "value": 1.0, "context": [1.5] * 1500}] * 1000
    yield _zipped("1,000 points with contexts", "/predict", _json({"points": many}))
    yield Worst(
        "unreadable points", "POST", "/predict", _json({"points": [{"a": "NaN"}] * 1000}).replace(b'"NaN"', b"NaN")
    )
    huge = b'{"timestamp":1,"value":1,"context":[' + b"1.5,2," * 3_000_000 + b"1]}"
    yield _zipped("millions of context values", f"/predict/{CHEAP}", huge)
    body = season(points)
    body["timestamps"] = (START + 600 * np.arange(100_000, 100_000 + points)).tolist()
    for series_id, mode in ((CHEAP, "causal"), (SLOW, "causal"), (LONG, "causal"), (LONG, "retrospective")):
        yield Worst(f"batch, {series_id}, {mode}", "POST", f"/predict/{series_id}/batch?mode={mode}", _json(body))


def _fits(points: int) -> Iterator[Worst]:
    yield Worst("fit", "POST", "/fit/worst-refused", _json(season(10 * points, detector="no such detector")))
    yield Worst(
        "fit of equal values", "POST", "/fit/worst-refused", _json({**season(10 * points), "values": [1] * points * 10})
    )
    yield Worst("fit of zeros, not a list", "POST", "/fit/worst-refused", b"[" + b"0," * 5 * points + b"0]")
    windows = {"exclude": [[START, START + 1]] * 100_000}
    yield Worst("fit with many windows", "POST", "/fit/worst-refused", _json(season(100, parameters=windows)))
    names = {f"parameter-{number}": 1 for number in range(100_000)}
    yield Worst("fit with many parameters", "POST", "/fit/worst-refused", _json(season(100, parameters=names)))
    yield Worst("refit with many parameters", "POST", f"/series/{CHEAP}/versions/1/fit", _json({"parameters": names}))
    yield Worst("blank lines", "POST", "/fit", b"\n" * 1_000_000)
    line = _json(season(10 * points, series_id="worst-refused", detector="no such detector"))
    yield Worst("one long line", "POST", "/fit", line)
    yield Worst("many lines", "POST", "/fit", b"{}\n" * 10_000)
    yield _zipped("gzip of blanks", "/fit/worst-refused", b" " * 1_000_000)


def _pushes(points: int) -> Iterator[Worst]:
    pushed = {"timestamps": list(range(1, points)), "values": ["no number"] * points}
    yield Worst("push", "POST", "/series/worst-refused/points", _json(pushed))
    yield Worst("push of many lines", "POST", "/points", b'{"series_id":"worst-refused"}\n' * points)
    now = int(time.time())
    kept = {"timestamps": list(range(now - 20 * points, now, 20)), "values": [1.5] * points}
    yield Worst("push of new points", "POST", f"/series/{STORED}/points", _json(kept))
    lines = b"".join(b"worst,host=%d value=1.5 1\n" % (number % 100) for number in range(points))
    yield Worst("line protocol", "POST", "/api/v2/write?bucket=worst", lines)
    yield Worst("line protocol, unreadable", "POST", "/api/v2/write?bucket=worst", b'worst v="\n' * points)
    series = [({"__name__": "worst", "host": str(number)}, [(now, 1.5)] * 10) for number in range(points // 10)]
    content = bytes(cramjam.snappy.compress_raw(remote.encoded(*series)))
    yield Worst("remote write", "POST", "/api/v1/write", content, remote.HEADERS)


def _configurations(points: int) -> Iterator[Worst]:
    simulated = {**season(min(points // 50, 20_000)), "watch": {}}
    yield Worst("simulation", "POST", "/simulate", _json(simulated))
    yield Worst("simulation with too many points", "POST", "/simulate", _json({**season(10 * points), "watch": {}}))
    fields = {f"field-{number}": 1 for number in range(100_000)}
    yield Worst("simulation with many fields", "POST", "/simulate", _json({**season(100), "watch": fields}))
    hook = {"kind": "webhook", "url": "https://example.com/"}
    receivers = {f"worst-{number}": hook for number in range(min(points // 25, 3_000))}
    yield Worst("apply", "POST", "/apply?dry_run=true", _json({"receivers": receivers}))
    yield Worst("apply with unknown sections", "POST", "/apply", _json({str(number): {} for number in range(20_000)}))
    unknown = {"watches": {f"worst-{number}": {"a": 1} for number in range(8_000)}}
    yield Worst("apply with unknown fields", "POST", "/apply", _json(unknown))
    nested = b'{"a":' * 40_000
    for path in ("/watches/worst", "/receivers/worst", "/sources/worst"):
        yield Worst(f"nested {path}", "PUT", path, nested)
        yield Worst(f"many fields, {path}", "PUT", path, _json({f"f{number}": 1 for number in range(15_000)}))
    span = {"from": 1, "to": 2, "kind": "maintenance", "note": "a" * 250_000, "prefix": ""}
    yield Worst("span", "POST", "/spans", _json(span))


def _reads() -> Iterator[Worst]:
    for path in (
        "/series?limit=200",
        "/jobs?limit=200",
        f"/series/{SLOW}/versions?limit=200",
        f"/series/{LONG}/versions/1/data",
        f"/series/{LONG}/versions/1/data?format=csv",
        f"/series/{LONG}/versions/1/points?max_points=20000",
        f"/plot?series_id={LONG}",
        f"/plot.svg?series_id={LONG}&width=4000&height=2000",
        f"/series/{STORED}/points?max_points=20000",
        f"/ui/series/{STORED}",
        "/alerts?limit=200",
        "/ui/alerts",
        "/watches",
        "/ui/watches",
        "/receivers",
        "/sources",
        "/spans",
        "/detectors",
        "/metrics",
        "/healthcheck",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/",
        "/ui/jobs",
        f"/ui/series/{SLOW}",
        f"/series?prefix={'a' * 8000}",
        f"/ui/login?next=/{'a' * 1900}",
        f"/jobs?{'&'.join(['limit=1'] * 1000)}",
    ):
        yield Worst(path[:60], "GET", path, headers={"Accept": "text/html, */*"})


def _heads() -> Iterator[Worst]:
    yield Worst("cookie", "GET", "/series", headers={"Cookie": '\\"' * 30_000})
    yield Worst("many cookies", "GET", "/series", headers={"Cookie": "a;" * 30_000})
    yield Worst("97 headers", "GET", "/livez", headers={f"x-{number}": "a" * 600 for number in range(95)})
    yield Worst("long path", "GET", "/fit/" + "%41" * 5000)
    yield Worst("form", "POST", "/ui/login", b"a=b&" * 2499, {"Content-Type": "application/x-www-form-urlencoded"})


def _zipped(name: str, path: str, content: bytes) -> Worst:
    return Worst(name, "POST", path, gzip.compress(content, 1), {"Content-Encoding": "gzip"})


def _json(body: object) -> bytes:
    return json.dumps(body).encode()
