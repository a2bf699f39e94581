"""A scheduler with streams, and functions that let time pass."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.domain.series import DAY_S
from shared.domain.watching.watches import parse
from shared.errors import TsadError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.store import inspection, watches
from shared.watching.ingesting import Ingest
from shared.watching.planning import Coming, Push
from worker import training as trainings
from worker.scheduling import Scheduler

HOUR = 3_600


class Day:
    """One scheduler with streams, as tests change them."""

    def __init__(self, scheduler: Scheduler, artifacts: Artifacts, training: trainings.Training) -> None:
        self.scheduler = scheduler
        self.sessions = scheduler.acceptor.sessions
        self.settings = scheduler.acceptor.settings
        self.ingest = Ingest(self.sessions, States(artifacts.states, 10**8), self.settings, Metrics())
        self.training = replace(training, sessions=self.sessions, settings=self.settings, announce=lambda _job_id: None)
        with self.sessions.begin() as session:
            self.now = int(inspection.clock(session).timestamp())

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.sessions.begin() as session:
            return [tuple(row) for row in session.execute(text(statement))]

    def run(self, statement: str) -> None:
        with self.sessions.begin() as session:
            session.execute(text(statement))

    def watch(self, **document: Any) -> None:
        with self.sessions.begin() as session:
            watch = parse("w", {"prefix": "", "detector": "baseline", **document}, max_window_s=35 * DAY_S)
            watches.put(session, watch)
        self.read_rules()

    def pause(self, *, paused: bool) -> None:
        with self.sessions.begin() as session:
            watches.pause(session, "w", paused=paused)
        self.read_rules()

    def read_rules(self) -> None:
        self.scheduler.rulebook.again()
        self.ingest.rulebook.again()

    def push(
        self,
        series_id: str,
        points: int,
        *,
        until: int = 0,
        value: float | None = None,
        coming: Coming = Coming.NOTHING,
    ) -> None:
        """Push points of each minute, the newest `until` seconds after the start of the test."""
        timestamps = self.now + until - 60 * np.arange(points)[::-1]
        values = np.array(timestamps // 60 % 7 + 1 if value is None else [value] * points, dtype=np.float64)
        outcomes = self.ingest([Push(series_id, timestamps, values, coming)])
        assert not [outcome for outcome in outcomes if isinstance(outcome, TsadError)]

    def grow(self, series_id: str) -> None:
        """Let a stream be due for as many points as it has."""
        self.run(f"UPDATE streams SET fit_due_at = now() WHERE series_id = '{series_id}'")

    def jobs(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT series_id, status, points, idempotency_key FROM fit_jobs ORDER BY seq")

    def fit(self) -> None:
        """Work on every job, as a worker does."""
        for (job_id,) in self.rows("SELECT CAST(id AS text) FROM fit_jobs WHERE status = 'queued' ORDER BY seq"):
            trainings.run(self.training, job_id)

    def slot(self, series_id: str = "a") -> tuple[Any, ...]:
        columns = "fit_slot, fit_outcome, fit_detail, fit_failures, CAST(extract(epoch FROM fit_due_at) AS bigint)"
        return self.rows(f"SELECT {columns} FROM streams WHERE series_id = '{series_id}'")[0]

    def later(self, seconds: float) -> Scheduler:
        """Return the scheduler so many seconds later, when all streams with slots are due."""
        self.run("UPDATE streams SET fit_due_at = now() WHERE fit_due_at IS NOT NULL")
        return replace(self.scheduler, clock=lambda session: inspection.clock(session) + timedelta(seconds=seconds))

    def let_pass(self, *, settled: int | None = None) -> None:
        """Let the next slots of all streams begin, as if the last settled ones were long ago."""
        self.run(f"UPDATE streams SET fit_due_at = now(), fit_slot = {settled or 0} WHERE fit_due_at IS NOT NULL")
