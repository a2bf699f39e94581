"""What must be true at each tick, and at the end of the month. Each check returns sentences about what is wrong."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from shared.domain.series import Series
from shared.domain.watching.schedules import share_of
from shared.domain.watching.watches import Watch, parse
from shared.judging.context import context_in_stream
from shared.judging.states import States
from shared.judging.verdicts import judge
from shared.store import inspection, versions
from tests.month.signals import DAY_S, KINDS, Signal, prefix_of
from tests.month.world import SettledSlot, World
from tests.protocol.streams import STRUCTURE

A_TIME = 10**8  # a smaller slot is a number of points
SILENT_S = 45 * 60  # the rule of the kind `silent`
NEVER_SILENT = ("steady", "daily", "doubled", "hourly", "pinned")

_OVERLAPPING = """
WITH lasting AS (
  SELECT a.id, a.series_id, a.kind, min(n.created_at) AS opened,
         max(n.created_at) FILTER (WHERE a.status = 'closed') AS closed
    FROM alerts a JOIN notices n ON n.alert = a.id WHERE a.series_id IS NOT NULL GROUP BY a.id
)
SELECT a.series_id, a.kind FROM lasting a JOIN lasting b
  ON a.id < b.id AND a.series_id = b.series_id AND a.kind = b.kind
 AND a.opened < coalesce(b.closed, 'infinity') AND b.opened < coalesce(a.closed, 'infinity')
"""


def silence(world: World) -> Iterator[str]:
    """Check at each tick that exactly the streams are silent from which nothing came for longer than the rule says."""
    rows = world.rows("SELECT series_id, silence IS NOT NULL AS is_silent FROM streams WHERE watch = 'silent'")
    for row in rows:
        arrived = world.ledgers[row.series_id].arrived or 0
        if row.is_silent != (world.clock.now - arrived > SILENT_S):
            yield f"{world.clock}: {row.series_id} is {'' if row.is_silent else 'not '}silent"


def everything(world: World, signals: list[Signal]) -> dict[str, list[str]]:
    """Return what is wrong at the end, by check."""
    return {
        "what is stored is what was sent": list(_stored(world)),
        "late points are the ones that came after a newer one": list(_late(world)),
        "each point has the verdict of a batch": list(_verdicts(world, signals)),
        "no slot is missed or doubled": list(_slots(world)),
        "training data ends at the slot": list(_windows(world)),
        "one open alert per series and kind, one notice per change": list(_alerts(world)),
        "incidents open alerts": list(_incidents(world, signals)),
        "fits that keep failing are reported": list(_failing(world)),
        "versions are kept as the watch says": list(_versions(world)),
        "every artifact can be read": list(_artifacts(world)),
    }


def _stored(world: World) -> Iterator[str]:
    stored: dict[str, dict[int, float | None]] = {series_id: {} for series_id in world.ledgers}
    for row in world.rows("SELECT t.series_id, p.ts, p.value FROM points p JOIN streams t ON t.no = p.series_no"):
        stored[row.series_id][row.ts] = row.value
    for series_id, ledger in world.ledgers.items():
        sent = {ts: None if np.isnan(value) else value for ts, value in ledger.values.items()}
        if stored[series_id] != sent:
            wrong = {
                ts for ts in sent.keys() | stored[series_id].keys() if sent.get(ts, 0) != stored[series_id].get(ts, 0)
            }
            yield f"{series_id}: {len(wrong)} of {len(sent)} points differ, the first at {min(wrong)}"


def _late(world: World) -> Iterator[str]:
    late: dict[str, set[int]] = {series_id: set() for series_id in world.ledgers}
    for row in world.rows(
        "SELECT t.series_id, p.ts FROM points p JOIN streams t ON t.no = p.series_no WHERE p.version = 0"
    ):
        late[row.series_id].add(row.ts)
    for series_id, ledger in world.ledgers.items():
        if late[series_id] != ledger.late:
            yield f"{series_id}: {len(late[series_id] ^ ledger.late)} points are late, or not, by mistake"


def _verdicts(world: World, signals: list[Signal]) -> Iterator[str]:
    """Judge the points of two series of each kind again, those of each version as one batch."""
    states = States(world.artifacts.states, 10**8)
    chosen = [signal.series_id for signal in signals if int(signal.series_id.rsplit(".", 1)[1]) < 2]
    for series_id in chosen:
        rows = world.rows(
            "SELECT p.ts, p.value, p.score, p.version FROM points p JOIN streams t ON t.no = p.series_no "
            f"WHERE t.series_id = '{series_id}' AND p.version IS DISTINCT FROM 0 ORDER BY p.ts"
        )
        timestamps = np.array([row.ts for row in rows])
        values = np.array([np.nan if row.value is None else row.value for row in rows], dtype=np.float64)
        numbers = np.array([row.version or 0 for row in rows])
        scores = np.array([np.nan if row.score is None else row.score for row in rows], dtype=np.float64)
        with world.sessions.begin() as session:
            existing = versions.page(session, series_id, None, 1_000)
        for version in existing:
            indices = np.flatnonzero(numbers == version.version)
            if not len(indices):
                continue
            part = slice(int(indices[0]), int(indices[-1]) + 1)
            fitted = states.load(version.state)
            context = context_in_stream(
                fitted.needs(), int(timestamps[part.start]), timestamps[: part.start], values[: part.start]
            )
            missing = np.isnan(values[part])
            points = Series(timestamps[part], values[part])
            again = judge(fitted, points, missing if missing.any() else None, context=context)
            known = ~np.isnan(scores[part])
            if not np.allclose(again.scores.score[known], scores[part][known], rtol=1e-6, atol=1e-9):
                yield f"{series_id}: version {version.version} gives other scores in a batch"


def _watch(series_id: str) -> Watch:
    kind = series_id.split(".")[1]
    return parse(kind, {"prefix": prefix_of(kind)} | KINDS[kind], max_window_s=1e9)


def _expected_slots(watch: Watch, series_id: str, start: int, end: int) -> list[int]:
    """Return all slots by brute force: for a time of day, the first minute of each local day that is not before it."""
    refit = watch.refit
    assert refit is not None
    if refit.at_s is None:
        phase = int(share_of(series_id) * refit.every_s)
        return [slot for slot in range(phase, end, refit.every_s) if slot >= start]
    days = refit.every_s // DAY_S
    found: dict[int, int] = {}
    for minute in range(start - 2 * DAY_S, end, 60):
        local = datetime.fromtimestamp(minute, ZoneInfo(refit.timezone))
        if 60 * (60 * local.hour + local.minute) >= refit.at_s:
            found.setdefault(local.toordinal(), minute)
    rest = int(share_of(series_id) * days)
    return [slot for day, slot in found.items() if day % days == rest and start <= slot < end]


def _slots(world: World) -> Iterator[str]:
    for series_id, settled in world.slots.items():
        watch = _watch(series_id)
        assert watch.refit is not None
        delay_s, half_s = watch.refit.delay_s(series_id), watch.refit.every_s / 2
        times = [one.slot for one in settled if one.slot > A_TIME]
        if times != sorted(set(times)):
            yield f"{series_id}: slots are not in order"
        if series_id.startswith(prefix_of("stuck")):  # fits that fail become rarer
            continue
        end = SettledSlot(world.reconciled_at, "end", world.reconciled_at)
        expected = _expected_slots(watch, series_id, settled[0].at, world.reconciled_at - delay_s)
        for before, after in pairwise([*settled, end]):
            first = before.slot if before.slot > A_TIME else before.at - delay_s + half_s
            last = after.slot if after.slot > A_TIME else after.at - delay_s - world.tick_s  # due together: one fit
            for slot in expected:
                excused = any(slot <= until and since <= after.at for since, until in world.outages)
                if first < slot < last and not excused:
                    yield f"{series_id}: the slot {slot} is missed, between {before} and {after}"
        unexpected = set(times) - set(_expected_slots(watch, series_id, settled[0].at - DAY_S, world.clock.now))
        if unexpected:
            yield f"{series_id}: {len(unexpected)} slots are not of the schedule"
    jobs = world.rows("SELECT count(*) AS n FROM fit_jobs WHERE api_key_id = '-scheduler'")[0].n
    requested = sum(one.outcome in ("requested", "fitted", "failed") for slots in world.slots.values() for one in slots)
    if jobs != requested:
        yield f"{jobs} jobs for {requested} requested slots"


def _windows(world: World) -> Iterator[str]:
    for row in world.rows(f"""
        SELECT v.series_id, v.version FROM versions v JOIN fit_jobs j ON j.id = v.job_id
         WHERE split_part(j.idempotency_key, ':', 3)::bigint > {A_TIME}
           AND v.last_timestamp > split_part(j.idempotency_key, ':', 3)::bigint"""):
        yield f"version {row.version} of {row.series_id} learned from points after its slot"


def _alerts(world: World) -> Iterator[str]:
    for what, statement in STRUCTURE.items():
        if rows := world.rows(statement):
            yield f"{what}: {len(rows)}"
    for row in world.rows(_OVERLAPPING):
        yield f"two alerts of the kind {row.kind} of {row.series_id} at a time"
    for kind in NEVER_SILENT:
        for row in world.rows(f"SELECT series_id FROM alerts WHERE kind = 'silence' AND watch = '{kind}'"):
            yield f"{row.series_id} has the alert of a silence, and never stopped"


def _incidents(world: World, signals: list[Signal]) -> Iterator[str]:
    """Check incidents whose stored scores are enough for the rule: two anomalies in a row, or a score of three."""
    alerts: dict[str, list[Any]] = {}
    for row in world.rows("SELECT series_id, started_at, last_anomaly_at FROM alerts WHERE kind = 'deviation'"):
        alerts.setdefault(row.series_id, []).append(row)
    for signal in signals:
        for first, last in signal.incidents:
            rows = world.rows(
                "SELECT p.score FROM points p JOIN streams t ON t.no = p.series_no WHERE p.score IS NOT NULL "
                f"AND t.series_id = '{signal.series_id}' AND p.ts BETWEEN {first} AND {last} ORDER BY p.ts"
            )
            scores = [row.score for row in rows]
            must_open = max(scores, default=0) >= 3 or any(min(pair) > 1 for pair in pairwise(scores))
            has_alert = any(
                row.started_at <= last and row.last_anomaly_at >= first for row in alerts.get(signal.series_id, [])
            )
            world.incidents[has_alert] += len(scores) > 0
            if must_open and not has_alert:
                yield f"{signal.series_id}: no alert from {first} to {last}, scores {scores}"


def _failing(world: World) -> Iterator[str]:
    rows = world.rows("SELECT series_id FROM streams WHERE watch = 'stuck' AND fit_failures >= 3")
    reported = world.rows("SELECT series_id FROM alerts WHERE kind = 'refit_failing' AND status = 'open'")
    if sorted(row.series_id for row in rows) != sorted(row.series_id for row in reported):
        yield f"{len(rows)} series cannot be refitted, and {len(reported)} are reported"


def _versions(world: World) -> Iterator[str]:
    world.tidy()
    for row in world.rows(
        "SELECT series_id, count(*) FILTER (WHERE automatic) AS kept, bool_or(version = 1) AS has_first"
        " FROM versions GROUP BY 1"
    ):
        keep = _watch(row.series_id).keep_versions
        if keep is not None and row.kept > keep:
            yield f"{row.series_id} has {row.kept} automatic versions instead of {keep}"
        if row.series_id.startswith(prefix_of("pinned")) and not row.has_first:
            yield f"the pinned version of {row.series_id} is gone"


def _artifacts(world: World) -> Iterator[str]:
    with world.sessions.begin() as session:
        references = list(inspection.references(session))
    for reference in references:
        store = world.artifacts.states if reference.of_state else world.artifacts.data
        try:
            store.get(reference.artifact)
        except Exception as error:  # noqa: BLE001 - each is a finding
            yield f"{reference.owner}: {error}"
