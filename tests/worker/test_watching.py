"""The reconciler's side of watching: silence, alerts that close by the clock, retention."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.domain.watching.silence import threshold_s
from shared.domain.watching.sources import parse as parse_source
from shared.domain.watching.watches import parse
from shared.errors import TsadError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import series as series_store
from shared.store import silences, sources, spans, streams, watches
from shared.store.engine import Sessions
from shared.store.spans import Span
from shared.watching.ingesting import Ingest
from shared.watching.planning import Push
from shared.watching.rulebook import Rulebook
from tests.waiting import until
from worker import expiring
from worker.silences import Watching

NOW = int(time.time())
FOREVER_S = 1e9


@pytest.fixture
def empty(database: Sessions) -> Iterator[Sessions]:
    """The database without streams, watches and alerts."""
    yield database
    with database.begin() as session:
        session.execute(
            text("TRUNCATE notices, alerts, points, streams, watches, spans, sources, source_series, fit_jobs CASCADE")
        )


@pytest.fixture
def watching(empty: Sessions) -> Watching:
    return Watching(empty, Metrics(), Rulebook(empty), started_at=0, clock=lambda: FOREVER_S)


def watch(database: Sessions, name: str = "w", **document: Any) -> None:
    with database.begin() as session:
        watches.put(session, parse(name, {"prefix": "", "silence": "1s", **document}, max_window_s=35 * 86_400))


def push(database: Sessions, settings: Settings, artifacts: Artifacts, *series_ids: str, points: int = 3) -> None:
    ingest = Ingest(database, States(artifacts.states, 10**8), settings, Metrics())
    timestamps = NOW - 60 * np.arange(points)[::-1]
    values = np.arange(points, dtype=np.float64) % 5 + 1
    outcomes = ingest([Push(name, timestamps, values) for name in series_ids])
    assert not [outcome for outcome in outcomes if isinstance(outcome, TsadError)]
    age(database, -1_000)  # not silent until a test says so


def rows(database: Sessions, statement: str) -> list[tuple[Any, ...]]:
    with database.begin() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def age(database: Sessions, seconds: float, where: str = "true") -> None:
    """Let the newest points of streams have arrived so long ago."""
    with database.begin() as session:
        session.execute(
            text(f"UPDATE streams SET arrived_at = clock_timestamp() - interval '{seconds} s' WHERE {where}")
        )


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


OPEN = text("""
INSERT INTO alerts (id, series_no, series_id, watch, kind, status, started_at, opened_at, last_anomaly_at, ended_at,
                    peak, points, step)
SELECT CAST(:id AS uuid), no, series_id, :watch, 'deviation', :status, 1, 1, 1, CASE :status WHEN 'ended' THEN 2 END,
       jsonb_build_object('timestamp', 1, 'value', 1, 'score', 2), 1, 1
  FROM streams WHERE series_id = :name
""")
ALERTS = "SELECT series_id, kind, status, step FROM alerts ORDER BY created_at, series_id"


def test_a_stream_that_falls_silent_opens_one_alert_until_it_speaks(
    watching: Watching, installation: Settings, artifacts: Artifacts
) -> None:
    database = watching.sessions
    watch(database)
    push(database, installation, artifacts, "a", "b")
    watching.round()
    assert rows(database, ALERTS) == []
    age(database, 10, "series_id = 'a'")
    until(lambda: rows(database, ALERTS), meanwhile=watching.round)  # not within two thresholds of the server's start
    watching.round()
    assert rows(database, ALERTS) == [("a", "silence", "open", 1)]
    push(database, installation, artifacts, "a", points=4)  # repeated points and a late one are no sign of activity
    assert rows(database, ALERTS) == [("a", "silence", "open", 1)]
    ingest = Ingest(database, States(artifacts.states, 10**8), installation, Metrics())
    ingest([Push("a", np.array([NOW + 1]), np.array([1.0]))])
    assert rows(database, ALERTS) == [("a", "silence", "closed", 2)]
    notices = rows(database, "SELECT type FROM notices ORDER BY id")
    assert notices == [("alert.opened",), ("alert.closed",)]


def test_no_stream_is_silent_after_a_start_while_paused_in_maintenance_or_if_the_watch_says_so(
    empty: Sessions, installation: Settings, artifacts: Artifacts
) -> None:
    watch(empty, "w")
    watch(empty, "p", prefix="p")
    watch(empty, "o", prefix="o", silence="off")
    watch(empty, "m", prefix="m")
    push(empty, installation, artifacts, "w1", "p1", "o1", "m1")
    with empty.begin() as session:
        watches.pause(session, "p", paused=True)
        spans.create(session, Span("0" * 32, None, "m", 0, 2**40, "maintenance", "", "-"))
    age(empty, 10)
    just_started = Watching(empty, Metrics(), Rulebook(empty), started_at=0, clock=lambda: 1.9)
    just_started.round()
    assert rows(empty, ALERTS) == []
    running = Watching(empty, Metrics(), Rulebook(empty), started_at=0, clock=lambda: FOREVER_S)
    until(lambda: rows(empty, ALERTS), meanwhile=running.round)
    assert rows(empty, ALERTS) == [("w1", "silence", "open", 1)]


def test_an_ended_stream_has_time_to_return_and_none_is_silent_while_its_source_fails(
    watching: Watching, installation: Settings, artifacts: Artifacts
) -> None:
    database = watching.sessions
    push(database, installation, artifacts, "ended", "fetched")
    watch(database)
    with database.begin() as session:
        sources.put(session, parse_source("s", {"kind": "remote_write"}, max_history_s=0))
        sources.claim(session, "s", {"fetched": {"__name__": "up"}})
        streams.end(session, {"ended": NOW})
        session.execute(text("UPDATE streams SET watch = 'w'"))
        session.execute(text("UPDATE sources SET failing_since = clock_timestamp()"))
    age(database, 600)
    watching.round()
    assert rows(database, ALERTS) == []  # the mark is fresh
    with database.begin() as session:
        session.execute(text("UPDATE streams SET ended_at = ended_at - interval '301 s' WHERE ended_at IS NOT NULL"))
    watching.round()
    assert rows(database, ALERTS) == [("ended", "silence", "open", 1)]
    with database.begin() as session:
        session.execute(text("UPDATE sources SET failing_since = NULL"))
    watching.round()
    assert len(rows(database, ALERTS)) == 2


def test_streams_that_fall_silent_together_are_one_alert_of_their_watch(
    watching: Watching, installation: Settings, artifacts: Artifacts
) -> None:
    database = watching.sessions
    watch(database)
    names = [f"s{number}" for number in range(10)]
    push(database, installation, artifacts, *names)
    age(database, 10, "series_id < 's8'")
    until(lambda: rows(database, ALERTS), meanwhile=watching.round)
    assert rows(database, "SELECT series_id, points FROM alerts") == [(None, 8)]
    age(database, 10, "series_id = 's8'")
    watching.round()
    assert rows(database, "SELECT series_id, points FROM alerts") == [(None, 9)]
    ingest = Ingest(database, States(artifacts.states, 10**8), installation, Metrics())
    ingest([Push(name, np.array([NOW + 1]), np.array([1.0])) for name in names[:4]])
    age(database, -1_000)
    watching.round()
    assert rows(database, ALERTS) == [(None, "silence", "open", 1)]
    ingest([Push(name, np.array([NOW + 2]), np.array([1.0])) for name in names[:5]])
    age(database, -1_000)
    watching.round()
    assert rows(database, ALERTS)[0] == (None, "silence", "closed", 2)
    assert (
        rows(database, "SELECT count(*) FROM streams WHERE silence IS NOT NULL") == [(0,)]
        or len(rows(database, ALERTS)) == 5
    )


@pytest.mark.parametrize(
    ("rule", "step", "gap", "long_gap"),
    [("auto", 60, None, None), ("auto", 60, 60, 60), ("auto", 60, 3600, 3600), ("auto", None, 0.1, 7), (300, 1, 1, 1)],
)
def test_the_database_has_the_threshold_of_the_domain(
    empty: Sessions, rule: str | int, step: float | None, gap: float | None, long_gap: float | None
) -> None:
    expected = threshold_s(rule, step, gap, long_gap)
    values = {"fixed": rule if isinstance(rule, int) else None, "step": step, "gap": gap, "long": long_gap}
    threshold = silences._THRESHOLD  # noqa: SLF001
    statement = f"""
    SELECT {threshold} FROM (SELECT CAST(:fixed AS double precision) AS fixed_s) w, (
      SELECT CAST(:step AS real) AS usual_step_s, CAST(:gap AS real) AS usual_gap_s, CAST(:long AS real) AS long_gap_s
    ) t
    """
    with empty.begin() as session:
        assert session.execute(text(statement), values).scalar() == expected


def test_an_alert_closes_when_no_point_comes_and_when_its_watch_is_gone(
    watching: Watching, installation: Settings, artifacts: Artifacts
) -> None:
    database = watching.sessions
    watch(database, silence="off", merge_within="5m", close={"after": "1h"})
    push(database, installation, artifacts, "a", "b", "c")
    with database.begin() as session:
        for number, (name, status) in enumerate((("a", "open"), ("b", "ended"), ("c", "open"))):
            alert = f"00000000-0000-0000-0000-00000000000{number}"
            session.execute(
                OPEN, {"id": alert, "watch": "gone" if name == "c" else "w", "status": status, "name": name}
            )
            session.execute(
                text("UPDATE streams SET alert = :id, recent = '11' WHERE series_id = :name"),
                {"id": alert, "name": name},
            )
    watching.round()
    assert [row[2] for row in rows(database, ALERTS)] == ["open", "ended", "closed"]
    age(database, 301)
    watching.round()
    assert [row[2] for row in rows(database, ALERTS)] == ["open", "closed", "closed"]
    age(database, 3_600)
    watching.round()
    assert rows(database, "SELECT alert, recent, revision FROM streams") == [(None, "", 2)] * 3
    assert rows(database, "SELECT count(*) FROM notices WHERE type = 'alert.closed'") == [(3,)]


def test_retention_keeps_the_newest_point_and_deleted_series_disappear_in_batches(
    empty: Sessions, installation: Settings, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "POINTS_AT_A_TIME", 7)
    monkeypatch.setattr(expiring, "STREAMS_AT_A_TIME", 2)
    push(empty, installation, artifacts, "a", "b", "c", points=20)
    expire_all = installation.model_copy(update={"keep_points_days": 1})
    assert expiring.expire(empty, expire_all, lambda _: at(NOW + 86_400 - 600)) == 3 * 9
    assert expiring.expire(empty, expire_all, lambda _: at(NOW + 10 * 86_400)) == 3 * 10
    assert rows(empty, "SELECT count(*), min(ts) FROM points") == [(3, NOW)]
    push(empty, installation, artifacts, "d", "e", points=20)
    with empty.begin() as session:
        assert series_store.delete_series(session, "d").existed
        assert streams.delete_before(session, "e", NOW - 300)
    push(empty, installation, artifacts, "d", points=2)
    assert expiring.delete_requested(empty) == 20 + 14
    counts = "SELECT series_id, count(p.ts) FROM streams LEFT JOIN points p ON series_no = no GROUP BY 1 ORDER BY 1"
    assert rows(empty, counts) == [("a", 1), ("b", 1), ("c", 1), ("d", 2), ("e", 6)]
    assert expiring.delete_requested(empty) == 0
