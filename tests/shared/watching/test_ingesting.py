"""Ingest: points are stored and judged exactly once, by whichever process takes them."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.domain.series import Series
from shared.errors import Code, TsadError
from shared.judging.states import States
from shared.judging.verdicts import judge
from shared.store import points, streams, versions, watches
from shared.store import series as series_store
from shared.store.engine import Sessions
from shared.store.streams import ToDelete
from shared.watching.ingesting import Ingest
from tests.points import ramp
from tests.shared.watching.conftest import START, MakeIngest, WatchSeries, push, taken


def rows(sessions: Sessions, statement: str, series_id: str) -> list[tuple[Any, ...]]:
    with sessions.begin() as session:
        return [tuple(row) for row in session.execute(text(statement), {"series_id": series_id})]


def stored(sessions: Sessions, series_id: str) -> list[tuple[Any, ...]]:
    """Minutes after the start, value, rounded score and version of all points."""
    found = rows(
        sessions,
        "SELECT p.ts, p.value, p.score, p.version FROM points p JOIN streams s ON s.no = p.series_no "
        "WHERE s.series_id = :series_id AND s.deleted_at IS NULL ORDER BY p.ts",
        series_id,
    )
    return [(ts - START, value, score and round(score, 2), version) for ts, value, score, version in found]


def alerts(sessions: Sessions, series_id: str) -> list[tuple[Any, ...]]:
    return rows(
        sessions,
        "SELECT kind, status, points, step FROM alerts WHERE series_id = :series_id ORDER BY created_at",
        series_id,
    )


def test_points_are_stored_once_and_late_ones_are_marked(sessions: Sessions, ingest: Ingest, series_id: str) -> None:
    first = taken(ingest, push(series_id, [1, 2, None], 2))
    assert (first.accepted, first.late, first.repeated) == (3, 0, 0)
    again = taken(ingest, push(series_id, [9, 9, 9, 4], 2))
    assert (again.accepted, again.late, again.repeated) == (1, 0, 3)
    late = taken(ingest, push(series_id, [7, 8, 9], 0))
    assert (late.accepted, late.late, late.repeated) == (2, 2, 1)
    assert stored(sessions, series_id) == [
        (0, 7, None, 0), (60, 8, None, 0), (120, 1, None, None), (180, 2, None, None), (240, None, None, None),
        (300, 4, None, None),
    ]  # fmt: skip
    counts = "SELECT points, late, revision, last_timestamp FROM streams WHERE series_id = :series_id"
    assert rows(sessions, counts, series_id) == [(6, 2, 2, START + 300)]


@pytest.mark.parametrize("detector", ["baseline", "ar", "auto", "msnn"])
def test_a_stream_gets_the_verdicts_of_a_batch_whatever_process_takes_its_points(
    sessions: Sessions,
    artifacts: Artifacts,
    make_ingest: MakeIngest,
    series_id: str,
    fitted: Callable[..., str],
    detector: str,
) -> None:
    rng = np.random.default_rng(5)
    wave = 10 + np.sin(np.arange(520) / 8) + rng.normal(0, 0.1, 520)
    wave[[450, 451, 452]] += 5
    times = START + 60 * np.arange(520)
    fitted(series_id, {"timestamps": times[:400].tolist(), "values": wave[:400].tolist(), "detector": detector})
    wave[[460, 470]] = np.nan
    processes = [make_ingest(), make_ingest(judge_cache_bytes=0)]
    edges = [395, 401, 402, 403, 430, 450, 452, 461, 500, 520]  # the first five are in the training data
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        values = [None if np.isnan(value) else float(value) for value in wave[start:end]]
        taken(processes[number % 2], push(series_id, values, start))
    with sessions.begin() as session:
        version = versions.get(session, series_id, 1)
    state = States(artifacts.states, 10_000_000).load(version.state)
    missing = np.isnan(wave[400:])
    batch = judge(state, Series(times[400:], np.nan_to_num(wave[400:])), missing)
    unknown = np.zeros(120, dtype=np.bool_) if batch.unknown is None else batch.unknown
    found = rows(
        sessions,
        "SELECT p.score, p.expected FROM points p JOIN streams s ON s.no = p.series_no WHERE s.series_id = :series_id "
        "ORDER BY p.ts",
        series_id,
    )
    assert [score is None for score, _ in found] == [True] * 5 + unknown.tolist()
    scores = np.array([score for score, _ in found[5:]], dtype=np.float64)
    np.testing.assert_allclose(scores[~unknown], batch.scores.score[~unknown], rtol=1e-5)  # shapes in single precision
    assert (scores[50:53] > 1).any()
    if batch.scores.expected is not None:
        expected = np.array([expected for _, expected in found[5:]], dtype=np.float64)
        np.testing.assert_allclose(expected, batch.scores.expected, rtol=1e-9)


def test_an_alert_opens_across_pushes_and_processes_and_closes(
    sessions: Sessions, make_ingest: MakeIngest, series_id: str, fitted: Callable[..., str], watch: WatchSeries
) -> None:
    fitted(series_id)  # values 0 to 4: mean 2, boundary about 6.2
    watch(close={"normal": 2}, merge_within="2m")
    one, two = make_ingest(), make_ingest()
    assert taken(one, push(series_id, [2, 9, 2], 20)).position.alert is None
    opened = taken(two, push(series_id, [10], 23)).position.alert
    assert opened is not None
    assert (opened.points, opened.started_at, opened.step) == (2, START + 21 * 60, 1)
    assert opened.peak is not None
    assert (opened.peak.value, opened.peak.expected) == (10, 2)
    same = taken(one, push(series_id, [10, 40], 24)).position.alert
    assert same is not None
    assert (same.id, same.points, same.step) == (opened.id, 4, 2)  # escalated
    assert taken(one, push(series_id, [10, 40], 24)).position.alert == same  # repeated
    taken(two, push(series_id, [2, 2], 26))
    assert alerts(sessions, series_id) == [("deviation", "ended", 4, 2)]
    assert taken(one, push(series_id, [2, 2, 2], 28)).position.alert is None
    assert alerts(sessions, series_id) == [("deviation", "closed", 4, 3)]
    notices = (
        "SELECT n.step, n.type FROM notices n JOIN alerts a ON a.id = n.alert "
        "WHERE series_id = :series_id ORDER BY n.step"
    )
    assert rows(sessions, notices, series_id) == [(1, "alert.opened"), (2, "alert.escalated"), (3, "alert.closed")]


def test_an_alert_survives_values_that_json_or_an_array_would_mangle(
    sessions: Sessions, ingest: Ingest, series_id: str, fitted: Callable[..., str], watch: WatchSeries
) -> None:
    fitted(series_id)
    watch(open={"anomalies": 2, "of": 64, "at_once": None})
    taken(ingest, push(series_id, [1e308, -0.0, 5e-324], 20))  # one anomaly waits for another
    assert taken(ingest, push(series_id, [-1e308], 23)).position.alert is not None
    assert alerts(sessions, series_id) == [("deviation", "open", 2, 1)]
    assert [value for _, value, *_ in stored(sessions, series_id)] == [1e308, -0.0, 5e-324, -1e308]


def test_a_changed_or_deleted_watch_counts_from_the_next_point_on(
    sessions: Sessions, ingest: Ingest, series_id: str, fitted: Callable[..., str], watch: WatchSeries
) -> None:
    fitted(series_id)
    watch()
    taken(ingest, push(series_id, [2.0], 20))
    watch(gates={"direction": "down"})  # this process has read the watch less than two seconds ago
    assert taken(ingest, push(series_id, [50, 50], 21)).position.alert is None
    watch()
    assert taken(ingest, push(series_id, [50, 50], 23)).position.alert is not None
    with sessions.begin() as session:
        watches.delete(session, series_id)
    assert taken(ingest, push(series_id, [50], 25)).position.alert is None
    assert alerts(sessions, series_id) == [("deviation", "closed", 2, 2)]


def test_points_that_race_are_judged_once(
    sessions: Sessions, make_ingest: MakeIngest, series_id: str, fitted: Callable[..., str], watch: WatchSeries
) -> None:
    fitted(series_id)
    watch(open={"anomalies": 1, "of": 1})
    names = [f"{series_id}.{number}" for number in range(5)]
    processes = [make_ingest() for _ in range(4)]

    def send(number: int) -> list[int]:
        pushes = [
            push(name, [50.0, 50.0], minute) for minute in range(20, 40, 2) for name in names[:: 1 - 2 * (number % 2)]
        ]
        pushes += [push(series_id, [50.0, 50.0], minute) for minute in range(20, 40, 2)]
        outcomes = processes[number](pushes)
        assert not [outcome for outcome in outcomes if isinstance(outcome, TsadError)]
        return [outcome.accepted for outcome in outcomes if not isinstance(outcome, TsadError)]

    with ThreadPoolExecutor(4) as pool:
        accepted = np.array(list(pool.map(send, range(4))))
    assert accepted.sum() == 6 * 20
    for name in [*names, series_id]:
        points = stored(sessions, name)
        assert [ts for ts, *_ in points] == [60 * minute for minute in range(20, 40)]
    in_order = [score for _, _, score, version in stored(sessions, series_id) if version == 1]
    (alert,) = alerts(sessions, series_id)
    assert alert == ("deviation", "open", len(in_order), 1)


def test_a_series_that_is_deleted_begins_again(
    sessions: Sessions, ingest: Ingest, series_id: str, fitted: Callable[..., str], watch: WatchSeries
) -> None:
    fitted(series_id)
    watch()
    taken(ingest, push(series_id, [50, 50], 20))
    with sessions.begin() as session:
        series_store.delete_series(session, series_id)
    assert alerts(sessions, series_id) == [("deviation", "closed", 2, 2)]
    again = taken(ingest, push(series_id, [50, 50], 20))
    assert (again.accepted, again.repeated, again.stream.latest) == (2, 0, None)
    assert stored(sessions, series_id) == [(1200, 50, None, None), (1260, 50, None, None)]


def test_points_that_wait_while_their_stream_is_deleted_belong_to_a_new_one(
    sessions: Sessions, ingest: Ingest, series_id: str
) -> None:
    taken(ingest, push(series_id, [1, 2]))
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as session:
            no = streams.mark_deleted(session, series_id)
            assert no is not None
            waiting = pool.submit(taken, ingest, push(series_id, [3], 2))
            while not session.execute(waits).scalar():
                assert not waiting.done()
            assert points.delete(session, no, None, 10) == 2
            streams.points_deleted(session, ToDelete(no, is_deleted=True, delete_before=None))
        assert waiting.result().accepted == 1
    assert rows(sessions, f"SELECT ts FROM points WHERE series_no = {no}", series_id) == []
    assert stored(sessions, series_id) == [(120, 3, None, None)]


def test_a_damaged_state_concerns_its_series_alone(
    sessions: Sessions, artifacts: Artifacts, ingest: Ingest, series_id: str, fitted: Callable[..., str]
) -> None:
    damaged, intact = f"{series_id}-d", f"{series_id}-i"
    fitted(damaged)
    fitted(intact, ramp(21))
    with sessions.begin() as session:
        artifacts.states.delete(versions.get(session, damaged, 1).state.key)
    outcomes = ingest([push(damaged, [1, 2], 30), push(intact, [1, 2], 30)])
    unknown = [None if isinstance(outcome, TsadError) else outcome.verdicts.unknown for outcome in outcomes]
    assert unknown == [{"state_unavailable": 2}, {}]


def test_more_series_than_the_limit_are_refused(sessions: Sessions, make_ingest: MakeIngest, series_id: str) -> None:
    with sessions.begin() as session:
        full = streams.count(session, 10**9)
    ingest = make_ingest(max_streams=full + 1)
    outcomes = ingest([push(f"{series_id}-{number}", [1.0]) for number in range(2)])
    refused = [outcome for outcome in outcomes if isinstance(outcome, TsadError)]
    assert [error.code for error in refused] == [Code.SERIES_LIMIT]
    assert len(outcomes) == 2


def test_a_long_history_is_taken_in_parts(sessions: Sessions, ingest: Ingest, series_id: str) -> None:
    outcome = taken(ingest, push(series_id, [float(number % 7) for number in range(12_001)]))
    assert (outcome.accepted, outcome.late, outcome.repeated) == (12_001, 0, 0)
    counted = "SELECT count(*) FROM points JOIN streams ON no = series_no WHERE series_id = :series_id"
    assert rows(sessions, counted, series_id) == [(12_001,)]


def test_points_make_a_first_fit_due_under_a_watch_only(
    sessions: Sessions, ingest: Ingest, series_id: str, watch: WatchSeries
) -> None:
    due = "SELECT fit_due_at IS NOT NULL FROM streams WHERE series_id = :series_id"
    taken(ingest, push(series_id, [1.0] * 50))
    assert rows(sessions, due, series_id) == [(False,)]
    watch(detector="baseline")
    ingest.rulebook.again()
    taken(ingest, push(series_id, [1.0], 50))
    assert rows(sessions, due, series_id) == [(True,)]
