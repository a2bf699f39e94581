"""Queries of the hot paths, and their plans in PostgreSQL."""

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from shared.domain.jobs import Claim
from shared.domain.versions import Artifact, NewVersion
from shared.store import (
    admissions,
    alert_days,
    alerts,
    attempts,
    jobs,
    latest,
    overviews,
    reconciliation,
    scheduled,
    series,
    versions,
)
from shared.store.alert_filters import AlertFilter, Reviewed
from shared.store.engine import Session
from shared.store.jobs import JobFilter

SERIES = "grown-7"
JOB = "00000000-0000-4000-8000-000000000000"  # no job has this id
CLAIM = Claim(JOB, 1, SERIES, "baseline", {}, 3, Artifact(f"{SERIES}/{JOB}.npz", bytes(32), 1))
NEW = NewVersion(0, 1, {}, 0.0, [], 1.0, Artifact("s", bytes(32), 1), Artifact("c", bytes(32), 1))

HOT: dict[str, Callable[[Session], object]] = {
    "latest versions": lambda session: session.exec_driver_sql(latest.BY_SERIES, ([SERIES],)),
    "states": lambda session: versions.states(session, [(SERIES, 1), (SERIES, 2)]),
    "a version": lambda session: versions.find(session, SERIES, None),
    "a page of versions": lambda session: versions.page(session, SERIES, None, 50),
    "a series": lambda session: series.find(session, SERIES),
    "a page of series": lambda session: series.page(session, "grown-", "grown-5", 50),
    "a page of jobs": lambda session: jobs.page(session, JobFilter(), None, 50),
    "admission": lambda session: admissions.admission(session, 20_000),
    "a claim": lambda session: attempts.claim(session, JOB, "nobody", 20),
    "a heartbeat": lambda session: attempts.heartbeat(session, CLAIM, 0.5, 20),
    "a publication": lambda session: versions.publish(session, CLAIM, NEW),
    "the next of a series": lambda session: jobs.next_of_series(session, SERIES),
    "due automatic fits": lambda session: scheduled.due(session, 50),
    "ended automatic fits": lambda session: scheduled.note_ended(session, 1_000),
    "automatic versions": lambda session: versions.prune_automatic(session, {SERIES: 3}),
    "a page of alerts": lambda session: alerts.page(session, AlertFilter(), 50),
    "the alerts of a day": lambda session: alerts.page(session, AlertFilter(began=86_400), 50),
    "reviewed alerts": lambda session: alerts.page(session, AlertFilter(review=Reviewed.INCIDENT), 50),
    "counts of the alerts of a day": lambda session: overviews.counts(session, AlertFilter(began=86_400), 100),
    "alerts by day": lambda session: alert_days.per_day(session, AlertFilter(), 86_400, 30),
    "lost messages": lambda session: reconciliation.to_announce(session, 10, 5, 500),
}

_WHOLE_TABLE = re.compile(r"Seq Scan on (fit_jobs|versions|series|alerts)\b")


def plan(session: Session, query: Callable[[Session], object]) -> list[str]:
    """Run a query and return the EXPLAIN lines of each statement that it executes."""
    statements: list[tuple[str, Any]] = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(session, "before_cursor_execute", record)
    query(session)
    event.remove(session, "before_cursor_execute", record)
    return [
        line
        for statement, parameters in statements
        for line in session.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()
    ]


def whole_tables(lines: list[str]) -> list[str]:
    """Return the tables that a plan scans sequentially."""
    return [match[1] for line in lines if (match := _WHOLE_TABLE.search(line))]
