"""A whole night: streams whose refits are due at one time of day, until each is done, beside pushes and predictions."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from time import perf_counter as clock

from sqlalchemy import text

from benchmark.comparing import AT_LEAST, AT_MOST, Figure, Target, single
from benchmark.consumption import cpu_s
from benchmark.stack import Stack, running
from benchmark.work.predicting import copy_series
from benchmark.work.refitting import HOUR_S, KIB, REST_S, Clients, Refits, Size

BEGINS_S = 90  # before the first minute in which the refits can be due: the scheduler plans them first
STALLED_S = 900.0  # without a refit; more than the time over which those of one time of day are spread
LOOKS_S, REPORTS_S = 1.0, 60.0
NIGHT_H = 8
CPU_S = 1.0  # of each process for a refit

# Each stream has one job for the slot and no other, and one version more than the one that it began with.
_SLOTS = text("""
SELECT count(*) FILTER (WHERE f.jobs = 0 OR v.last_version < 2 OR t.fit_slot IS DISTINCT FROM :slot) AS missed,
       count(*) FILTER (WHERE f.all_jobs > 1 OR v.last_version > 2) AS doubled,
       count(*) FILTER (WHERE t.fit_outcome IS DISTINCT FROM 'fitted') AS not_fitted
  FROM streams t
  JOIN series v ON v.series_id = t.series_id
  CROSS JOIN LATERAL (
    SELECT count(*) AS all_jobs,
           count(*) FILTER (WHERE j.status = 'succeeded'
                              AND j.idempotency_key = 'refit:' || t.no || ':' || :slot) AS jobs
      FROM fit_jobs j WHERE j.series_id = t.series_id
  ) AS f
 WHERE t.watch = :watch
""")
_STORED = text("""
SELECT avg(data_size + state_size + scores_size) FROM versions WHERE starts_with(series_id, :prefix) AND version > 1
""")
_REPEATED = text("SELECT coalesce(sum(announcements), 0) FROM fit_jobs WHERE starts_with(series_id, :prefix)")


def measure(stack: Stack, refits: int, points: int, points_per_s: float) -> Iterator[Figure]:
    """Refit so many streams, each with so many hourly points, beside a steady push; compare the slots with the jobs."""
    clients, sessions = Clients(stack, points_per_s), stack.sessions()
    clients.create()
    night = Refits(stack, sessions, Size("night", refits, HOUR_S, points))
    copy_series(stack, "pushed-0", night.size.prefix, refits)
    night.create()
    with (
        stack.worker() as worker,
        running(stack.folder / "reconciler.log", stack.env, "worker.reconciling") as scheduler,
    ):
        threads = clients.start()
        time.sleep(REST_S)
        at_rest = clients.stop(threads)
        slot = _next_slot()
        night.watch({"every": "1d", "at": f"{datetime.fromtimestamp(slot, UTC):%H:%M}"})
        pids = {"worker": worker.pid, "scheduler": scheduler.pid, "API": stack.api_pid}
        used = {name: cpu_s(pid) for name, pid in pids.items()}
        time.sleep(max(slot - time.time(), 0))
        threads, began = clients.start(), clock()
        _wait(night, refits)
        seconds = clock() - began
        beside = clients.stop(threads)
        used = {name: cpu_s(pid) - used[name] for name, pid in pids.items()}
        with sessions.statement() as session:
            slots = session.execute(_SLOTS, {"slot": slot, "watch": night.size.name}).one()
            stored = float(session.execute(_STORED, {"prefix": night.size.prefix}).scalar_one())
            repeated = int(session.execute(_REPEATED, {"prefix": night.size.prefix}).scalar_one())
    what = f"a night of {refits:,} refits of {points:,} points beside {points_per_s:g} pushed points/s"
    least = refits / (NIGHT_H * HOUR_S)
    yield single(what, "refits/s", [refits / seconds], Target(AT_LEAST, least), minutes=round(seconds / 60, 1))
    for name, cpu in used.items():
        yield single(
            f"{what}: CPU of the {name}", "s", [cpu], Target(AT_MOST, CPU_S * refits), per_refit=round(cpu / refits, 3)
        )
    yield single(f"{what}: slots missed", "", [slots.missed], Target(AT_MOST, 0), not_fitted=slots.not_fitted)
    yield single(f"{what}: slots doubled", "", [slots.doubled], Target(AT_MOST, 0))
    yield single(f"{what}: stored by a refit", "KiB", [stored / KIB], Target(AT_MOST, 400))
    yield single(f"{what}: messages sent again", "", [repeated], Target(AT_MOST, refits / 10))
    yield single(f"{what}: requests of others refused", "", [clients.refused], Target(AT_MOST, 0))
    for name, p99 in beside.items():
        ratio = p99 / at_rest[name]
        yield Figure(f"{what}: p99 of {name}", "ms", p99, at_rest[name], [ratio], Target(AT_MOST, 5))


def _next_slot() -> int:
    """Return the first whole minute for which the scheduler has time to plan."""
    return int(time.time() + BEGINS_S) // 60 * 60 + 60


def _wait(night: Refits, refits: int) -> None:
    """Wait until all streams are refitted; end the benchmark if none is for a long time."""
    done, changed_at, reported_at = 0, clock(), clock()
    while done < refits:
        time.sleep(LOOKS_S)
        now = clock()
        fitted = night.fitted() - refits  # each began with one version
        if fitted > done:
            done, changed_at = fitted, now
        elif now - changed_at > STALLED_S:
            sys.exit(f"{done:,} of {refits:,} streams are refitted, and none more for {STALLED_S:g} s.")
        if now - reported_at > REPORTS_S:
            reported_at = now
            print(f"  {done:,} of {refits:,} streams are refitted", file=sys.stderr, flush=True)
