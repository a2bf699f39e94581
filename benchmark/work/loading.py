"""The history of 1,000 series from a real Prometheus: how soon the first is judged, how long all of it takes."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import text

from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, single
from benchmark.consumption import cpu_s, resident
from benchmark.history import DAY_S, METRIC, STEP_S, with_history
from benchmark.load import open_loop, percentile_ms, request
from benchmark.stack import Stack, body_of, running
from benchmark.work.predicting import POINT, checked
from shared.store.engine import Sessions

SERIES, NAME = 1_000, "many"
MINUTES_OF_28_DAYS = 10  # within which they are to be stored
CLIENTS, OTHERS_RATE = 8, 100  # predictions per second
LONGEST_S = 3_600
MILLION, MIB = 1_000_000, 2**20

_PARENT = text("SELECT pg_backend_pid()")
# The clock of the database, as in the columns.
_NOW = text("SELECT extract(epoch FROM clock_timestamp())")
_FIRST_VERSION = text("SELECT extract(epoch FROM min(created_at)) FROM versions WHERE starts_with(series_id, :prefix)")
_VERSIONS = text("SELECT count(*) FROM series WHERE starts_with(series_id, :prefix)")
_IS_JUDGED = text("""
SELECT EXISTS (
  SELECT 1 FROM streams t, LATERAL (
    SELECT p.score FROM points p WHERE p.series_no = t.no ORDER BY p.ts DESC LIMIT 1) AS newest
   WHERE t.version IS NOT NULL AND starts_with(t.series_id, :prefix) AND newest.score IS NOT NULL)
""")
_RUN = text("""
SELECT status, points, refused, detail, extract(epoch FROM ended_at) AS ended_at
  FROM source_runs WHERE source = :name ORDER BY id LIMIT 1
""")


@dataclass
class Loaded:
    """What one load took, in seconds after `apply`."""

    points: int = 0
    first_version_s: float = 0.0
    first_verdict_s: float = 0.0
    stored_s: float = 0.0
    versions: int = 0  # when all is stored
    latencies: list[float] = field(default_factory=list)  # of predictions meanwhile


@dataclass
class Consumers:
    """The processes that a load keeps busy."""

    pids: dict[str, int]
    prometheus: httpx.Client

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds so far, by process."""
        lines = self.prometheus.get("/metrics").text.splitlines()
        (own,) = (float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total "))
        return {name: cpu_s(pid) for name, pid in self.pids.items()} | {"Prometheus": own}


def measure(stack: Stack, days: float) -> Iterator[Figure]:
    """Load the history of `SERIES` series once."""
    with stack.worker():
        stack.fit("others", body_of(range(1, 7), [1, 2, 3, 1, 2, 3]))
    at_rest = percentile_ms(predictions(stack, 10), 99)
    sessions = stack.sessions()
    with ExitStack() as processes:
        server = processes.enter_context(with_history(stack.folder / "prometheus", SERIES, days))
        pids = {"PostgreSQL": postgres(sessions)}
        pids["worker"] = processes.enter_context(stack.worker()).pid
        for name, module in (("source", "worker.outbound"), ("scheduler", "worker.reconciling")):
            log = stack.folder / f"{module}.log"
            pids[name] = processes.enter_context(running(log, stack.env, module)).pid
        consumers = Consumers(pids, server)
        before = consumers.cpu()
        loaded = load(stack, sessions, str(server.base_url), days)
        after = consumers.cpu()
        peak = resident(pids["source"], "VmHWM")
    used = {name: round((after[name] - before[name]) / (loaded.points / MILLION), 2) for name in after}
    print(f"  CPU by process: {used}", file=sys.stderr)
    yield from figures(loaded, days)
    work = f"CPU of a million points from a Prometheus, {SERIES:,} series"
    yield single(work, "s", [sum(used.values())], Target(AT_MOST, 30), **used)
    yield single("peak memory of the process that loads", "MiB", [peak / MIB], Target(AT_MOST, 1_024))
    beside = percentile_ms(loaded.latencies, 99)
    work = f"others' p99 while the history of {SERIES:,} series is loaded"
    yield Figure(work, "ms", beside, at_rest, [beside / at_rest], Target(AT_MOST, 5))


def load(stack: Stack, sessions: Sessions, url: str, days: float) -> Loaded:
    """Apply a source with a watch, and follow the load until all of the history is stored."""
    query = {"query": METRIC, "id_template": f"{NAME}.{{instance}}", "step": "1m"}
    source = {"kind": "prometheus", "url": url, "queries": [query], "history": f"{round(days * 24)}h"}
    document = {"sources": {NAME: source}, "watches": {NAME: {"prefix": f"{NAME}."}}}
    names = {"name": NAME, "prefix": f"{NAME}."}
    with sessions.statement() as session:
        began = float(session.execute(_NOW).scalar_one())
    stack.client.post("/apply", json=document).raise_for_status()
    loaded = Loaded()
    while True:
        loaded.latencies += predictions(stack, 1)
        with sessions.statement() as session:
            now = float(session.execute(_NOW).scalar_one()) - began
            run = session.execute(_RUN, names).first()
            if not loaded.first_version_s and (first := session.execute(_FIRST_VERSION, names).scalar()):
                loaded.first_version_s = float(first) - began
            if not loaded.first_verdict_s and session.execute(_IS_JUDGED, names).scalar():
                loaded.first_verdict_s = now
            loaded.versions = session.execute(_VERSIONS, names).scalar_one()
        print(
            f"  {now:.0f} s: {run.points if run else 0:,} points, {loaded.versions} versions", end="\r", file=sys.stderr
        )
        if (run and run.status == "failed") or now > LONGEST_S:
            sys.exit(f"The history was not loaded within {now:.0f} s: {run}")
        if run and run.status == "succeeded":
            loaded.points = run.points
            loaded.stored_s = loaded.stored_s or float(run.ended_at) - began
            if loaded.first_verdict_s:
                return loaded


def figures(loaded: Loaded, days: float) -> Iterator[Figure]:
    """Return the times of a load."""
    work = f"{SERIES:,} series of {days:g} days from a Prometheus"
    facts = {"points": loaded.points, "expected": int(SERIES * days * DAY_S / STEP_S)}
    yield single(f"{work}: first version", "s", [loaded.first_version_s], Target(AT_MOST, 60))
    yield single(f"{work}: first verdict", "s", [loaded.first_verdict_s], Target(AT_MOST, 60))
    limit = MINUTES_OF_28_DAYS * days / 28
    yield single(
        f"{work}: stored", "min", [loaded.stored_s / 60], Target(AT_MOST, limit), versions=loaded.versions, **facts
    )
    least = SERIES * DAY_S / STEP_S * 28 / (60 * MINUTES_OF_28_DAYS)
    yield single(f"{work}: rate", "points/s", [loaded.points / loaded.stored_s], Target(AT_LEAST, least))


def predictions(stack: Stack, seconds: float) -> list[float]:
    """Return latencies of predictions of another series, at a steady rate."""
    requests = [request("POST", "/predict/others", POINT)]
    return checked(open_loop(stack.api, requests, CLIENTS, OTHERS_RATE, seconds)).latencies


def postgres(sessions: Sessions) -> int:
    """Return the id of the process that started all processes of the database."""
    with sessions.statement() as session:
        pid = int(session.execute(_PARENT).scalar_one())
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
