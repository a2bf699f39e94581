"""Automatic fits: growing streams, and the slots of a watch's schedule. Each slot is one fit, whatever happens."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.domain.jobs import SCHEDULER
from shared.domain.series import DAY_S, Series
from shared.domain.training_scores import MOST_AUTOMATIC, TrainingScores
from shared.domain.watching.schedules import Schedule
from shared.domain.watching.watches import parse
from shared.fitting.accepting import Acceptor
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import scheduled, versions, watches
from shared.store import series as series_store
from shared.store.engine import Sessions
from shared.watching.planning import Coming
from shared.watching.rulebook import Rulebook
from tests.worker.days import HOUR, Day
from worker import training as trainings
from worker.scheduling import Scheduler

FAIL = """
UPDATE fit_jobs SET status = 'running', attempt = 1, lease_until = now() WHERE status = 'queued';
UPDATE fit_jobs SET status = 'failed', lease_until = NULL, finished_at = now(), error_code = 'fit_failed',
       error_detail = 'It cannot be fitted.' WHERE status = 'running'
"""


@pytest.fixture
def scheduler(database: Sessions, installation: Settings, artifacts: Artifacts) -> Iterator[Scheduler]:
    with ThreadPoolExecutor(1) as writers:
        acceptor = Acceptor(database, artifacts.data, writers, lambda _job_id: None, installation)
        yield Scheduler(acceptor, Rulebook(database), Metrics())
    with database.begin() as session:
        tables = "notices, alerts, points, streams, watches, spans, fit_jobs, versions, series, garbage"
        session.execute(text(f"TRUNCATE {tables} CASCADE"))


@pytest.fixture
def day(scheduler: Scheduler, artifacts: Artifacts, training: trainings.Training) -> Day:
    return Day(scheduler, artifacts, training)


def test_streams_are_fitted_once_for_each_slot_and_grow(day: Day) -> None:
    day.watch(prefix="a", window="2h", refit="off")
    day.push("a", 30)
    assert day.scheduler.round() == 0
    day.push("a", 46)
    day.push("unwatched", 46)
    day.grow("a")
    assert day.scheduler.round() == 1
    assert day.scheduler.round() == 0
    no, slot = day.rows("SELECT no, fit_at_points FROM streams WHERE series_id = 'a'")[0]
    assert day.jobs() == [("a", "queued", 46, f"refit:{no}:0")]
    assert 4 * 46 <= slot <= 5 * 46
    day.run("UPDATE streams SET fit_due_at = now(), fit_at_points = 0, fit_slot = NULL")  # the note of it was lost
    day.push("a", 50)
    day.scheduler.round()
    assert len(day.jobs()) == 1
    day.push("a", 300)
    day.grow("a")
    assert day.scheduler.round() == 1
    assert day.rows("SELECT fit_at_points, fit_due_at FROM streams WHERE series_id = 'a'") == [(None, None)]  # grown


def test_a_stream_is_fitted_with_its_newest_points_and_again_only_when_its_history_is_complete(day: Day) -> None:
    day.watch(refit="off")
    day.push("a", 40, until=-600, coming=Coming.NEWER)
    assert day.scheduler.round() == 0
    day.push("a", 10, coming=Coming.OLDER)
    assert day.scheduler.round() == 1
    day.fit()
    for place in range(1, 6):
        day.push("a", 100, until=-3_000 - 6_000 * (place - 1), coming=Coming.OLDER)
        assert day.scheduler.round() == 0
    day.push("a", 10, until=-33_000)
    assert day.scheduler.round() == 1
    assert [points for _, _, points, _ in day.jobs()] == [50, 560]


def test_a_watch_that_the_scheduler_has_not_read_yet_fits_its_streams(day: Day) -> None:
    assert not day.scheduler.rulebook.current().watches
    with day.sessions.begin() as session:
        watches.put(session, parse("w", {"prefix": "", "detector": "baseline"}, max_window_s=35 * DAY_S))
    day.ingest.rulebook.again()
    day.push("a", 46)
    assert day.scheduler.round() == 1


def test_a_stream_that_cannot_be_fitted_waits_for_more_points_and_a_full_queue_delays_fits(day: Day) -> None:
    day.watch(refit="off")
    day.push("constant", 50, value=1.0)
    day.push("a", 50)
    acceptor = day.scheduler.acceptor
    settings = day.settings.model_copy(update={"max_queued_jobs": 1})
    assert replace(day.scheduler, acceptor=replace(acceptor, settings=settings)).round() == 0
    assert day.rows("SELECT count(*) FROM streams WHERE fit_due_at <= clock_timestamp()") == [(2,)]
    assert day.scheduler.round() == 1
    assert day.rows("SELECT fit_at_points, fit_due_at FROM streams WHERE series_id = 'constant'") == [(63, None)]
    outcome, detail, failures = day.slot("constant")[1:4]
    assert (outcome, failures) == ("refused", 0)  # it still learns
    assert detail.startswith("All values are the same")


@pytest.mark.parametrize("refit", [{"every": "6h"}, {"every": "1d", "at": "02:30"}])
def test_a_slot_of_the_schedule_is_one_fit_of_the_window_that_ends_there(day: Day, refit: dict[str, Any]) -> None:
    day.watch(refit=refit, window="10h", timezone="Europe/Berlin")
    schedule = Schedule(6 * HOUR) if len(refit) == 1 else Schedule(DAY_S, 2 * HOUR + 1_800, "Europe/Berlin")
    day.push("a", 1_600, until=50)
    assert day.scheduler.round() == 1
    day.fit()
    assert day.scheduler.round() == 0
    slot, outcome, detail, failures, due = day.slot()
    assert (slot, outcome, detail, failures) == (0, "fitted", None, 0)
    assert day.now + schedule.every_s / 2 < due <= day.now + 1.5 * schedule.every_s + 700
    day.let_pass()
    day.push("a", 1, until=110)
    expected = schedule.slot_before("a", day.now - schedule.delay_s("a"))
    assert day.scheduler.round() == (1 if expected > 0 else 0)
    series_id, status, points, key = day.jobs()[-1]
    no = day.rows("SELECT no FROM streams")[0][0]
    assert (series_id, status, key) == ("a", "queued", f"refit:{no}:{expected}")
    assert points == len([at for at in day.now + 50 - 60 * np.arange(1_600) if expected - 10 * HOUR <= at <= expected])
    day.let_pass(settled=0)  # the note of it was lost
    assert len(day.jobs()) == 2
    day.scheduler.round()
    assert len(day.jobs()) == 2
    assert day.slot()[0] == expected
    assert day.slot()[4] == schedule.slot_after("a", day.now - schedule.delay_s("a")) + schedule.delay_s("a")


def test_series_that_are_pinned_or_have_no_new_points_are_skipped(day: Day) -> None:
    day.watch(refit={"every": "6h"})
    for name in ("pinned", "quiet", "paused"):
        day.push(name, 100, until=-8 * HOUR)
    assert day.scheduler.round() == 3
    day.fit()
    with day.sessions.begin() as session:
        series_store.pin(session, "pinned", 1)
    day.push("pinned", 1)
    day.run("UPDATE streams SET fit_at_points = NULL")  # as if they had grown
    day.let_pass()
    assert day.scheduler.round() == 0
    assert day.rows("SELECT DISTINCT fit_at_points FROM streams") == [(None,)]
    assert day.slot("pinned")[1:3] == ("skipped", "version 1 is pinned")
    assert day.slot("quiet")[1:3] == ("skipped", "no new points")
    day.pause(paused=True)
    day.push("paused", 100)
    day.let_pass()
    assert day.scheduler.round() == 0
    assert day.slot("paused")[4] is None
    day.pause(paused=False)
    assert day.scheduler.plan() == 3  # so they have slots again
    assert day.slot("paused")[4] > day.now
    assert len(day.jobs()) == 3


def test_series_get_slots_when_their_watch_is_created_or_changed(day: Day) -> None:
    day.push("a", 60)
    day.watch(prefix="a", refit="off", parameters={"threshold": 5.0})
    day.run("UPDATE streams SET fit_due_at = NULL")
    day.push("a", 1, until=60)
    assert day.scheduler.plan() == 0  # it has never been fitted
    assert day.scheduler.round() == 1
    assert day.slot()[4] is None
    day.watch(prefix="a", refit={"every": "12h"})
    assert day.scheduler.plan() == 1
    assert day.scheduler.plan() == 0
    schedule = Schedule(12 * HOUR)
    assert day.slot()[4] in {schedule.slot_after("a", at) for at in (day.now, day.now + 60)}


def test_fits_that_keep_failing_open_one_alert_that_the_next_good_one_closes(day: Day) -> None:
    day.watch(refit={"every": "1h"}, window="1d")
    day.push("a", 200, until=-2 * HOUR)
    day.scheduler.round()
    day.fit()
    alerts = "SELECT kind, status, points, watch, series_id, step FROM alerts"
    for failures in range(1, 5):
        day.push("a", 1, until=60 * failures)
        scheduler = day.later(failures * HOUR)
        assert scheduler.round() == 1
        day.run(FAIL)
        scheduler.round()
        assert day.slot()[1:4] == ("failed", "It cannot be fitted.", failures)
        assert day.rows(alerts) == [("refit_failing", "open", 3, "w", "a", 1)] * (failures >= 3)
        assert day.slot()[4] > day.now + failures * HOUR
    scheduler = day.later(9 * HOUR)
    day.push("a", 1, until=600)
    assert scheduler.round() == 1
    assert day.slot()[4] > day.now + 11 * HOUR  # the fourth failure made it wait for two hours
    day.fit()
    scheduler.round()
    assert day.slot()[1:4] == ("fitted", None, 0)
    assert day.rows(alerts) == [("refit_failing", "closed", 3, "w", "a", 2)]
    assert day.rows("SELECT type FROM notices ORDER BY id") == [("alert.opened",), ("alert.closed",)]


def test_points_that_cannot_be_fitted_count_as_failures_once_the_series_has_a_version(day: Day) -> None:
    day.watch(refit={"every": "1h"}, window="1h")
    day.push("a", 100, until=-2 * HOUR)
    day.scheduler.round()
    day.fit()
    day.push("a", 200, until=5 * HOUR, value=3.0)
    for failures in range(1, 4):
        assert day.later((failures + 2) * HOUR).round() == 0
        assert day.slot()[1:4:2] == ("refused", failures)
    assert day.rows("SELECT kind, status FROM alerts") == [("refit_failing", "open")]


def test_a_watch_keeps_its_newest_automatic_versions_and_never_deletes_a_served_one(day: Day) -> None:
    day.watch(keep_versions=2)
    day.push("a", 60)
    day.scheduler.round()
    day.fit()
    numbers = "SELECT version, automatic FROM versions ORDER BY version"
    assert day.rows(numbers) == [(1, True)]
    day.run("ALTER TABLE versions DISABLE TRIGGER USER")
    day.run("""
        INSERT INTO versions (series_id, version, job_id, attempt, detector, parameters, points, first_timestamp,
          last_timestamp, learnt, anomaly_share, sparkline, fit_ms, data_key, data_sha256, data_size, state_key,
          state_sha256, state_size, scores_key, scores_sha256, scores_size, automatic)
        SELECT series_id, n, gen_random_uuid(), attempt, detector, parameters, points, first_timestamp, last_timestamp,
          learnt, anomaly_share, sparkline, fit_ms, data_key, data_sha256, data_size, state_key || n, state_sha256,
          state_size, scores_key || n, scores_sha256, scores_size, n NOT IN (2, 7)
          FROM versions, generate_series(2, 7) AS n WHERE version = 1
    """)
    day.run("ALTER TABLE versions ENABLE TRIGGER USER")
    day.run("UPDATE series SET last_version = 7, pinned_version = 3")
    rules = day.scheduler.rulebook.again()
    with day.sessions.begin() as session:
        assert versions.prune_automatic(session, rules.kept_versions(["a", "b"])) == 2
        assert versions.prune_automatic(session, rules.kept_versions(["a", "b"])) == 0
    assert [number for number, _ in day.rows(numbers)] == [2, 3, 5, 6, 7]


def test_automatic_fits_store_compact_data_and_few_scores(day: Day, artifacts: Artifacts) -> None:
    day.watch(prefix="a", window="10d")
    day.push("a", 12_000)
    assert day.scheduler.round() == 1
    day.fit()
    with day.sessions.begin() as session:
        version = versions.get(session, "a", None)
    assert version.automatic
    assert version.data.size < 2 * version.points
    assert len(Series.decode(artifacts.data.get(version.data))) == version.points == 12_000
    assert len(TrainingScores.decode(artifacts.states.get(version.scores)).score) <= MOST_AUTOMATIC


def test_only_one_scheduler_works_at_a_time(day: Day) -> None:
    day.watch()
    day.push("a", 60)
    with day.sessions.begin() as session:
        assert scheduled.take_turn(session)
        assert day.scheduler.round() == 0
    assert day.scheduler.round() == 1
    assert day.rows("SELECT api_key_id FROM fit_jobs") == [(SCHEDULER,)]
