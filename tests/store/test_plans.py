"""No query on a hot path reads a whole table."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from sqlalchemy import text

from benchmark.plans import CLAIM, HOT, JOB, plan, whole_tables
from shared.store import attempts, jobs
from shared.store.engine import Session, Sessions

OF_ONE_JOB: dict[str, Callable[[Session], object]] = {
    **{name: HOT[name] for name in ("a claim", "a heartbeat", "a publication", "the next of a series")},
    "a release": lambda session: attempts.release(session, CLAIM, 1.0),
    "a failure": lambda session: attempts.fail(session, CLAIM, "fit_failed", "why"),
    "an abandoned job": lambda session: attempts.abandon(session, JOB, "nobody"),
    "a spent message": lambda session: attempts.message_spent(session, JOB),
    "a cancellation": lambda session: jobs.cancel(session, JOB),
}
FINISHED = text("""
INSERT INTO fit_jobs (id, series_id, detector, points, data_sha256, data_size, status, version, finished_at)
SELECT gen_random_uuid(), 'grown-' || i % 100, 'baseline', 3, sha256('d'), 1, 'cancelled', NULL, now()
  FROM generate_series(1, 20000) i
""")


def scans(lines: list[str]) -> list[tuple[str, str]]:
    """Return the indexes that a plan uses, each with its first condition's column; empty for a full index scan."""
    used = [(re.search(r"Scan using (\w+)", line), below) for line, below in pairwise([*lines, ""])]
    conditions = [(scan[1], re.search(r"Index Cond: \(+(\w+)", below)) for scan, below in used if scan]
    return [(index, condition[1] if condition else "") for index, condition in conditions]


def plan_with_stale_statistics(store: Sessions, query: Callable[[Session], object]) -> list[str]:
    """Plan a query with statistics that show many jobs, none of them open."""
    with store.begin() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(FINISHED)
        session.execute(text("ANALYZE fit_jobs"))
        lines = plan(session, query)
        session.rollback()
    return lines


@pytest.mark.parametrize("query", HOT.values(), ids=HOT)
def test_a_hot_query_uses_an_index(store: Sessions, query: Callable[[Session], object]) -> None:
    with store.begin() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))  # otherwise used for a small table
        lines = plan(session, query)
    assert lines
    assert whole_tables(lines) == [], "\n".join(lines)


@pytest.mark.parametrize("query", OF_ONE_JOB.values(), ids=OF_ONE_JOB)
def test_a_job_is_found_by_id_or_series_despite_stale_statistics(
    store: Sessions, query: Callable[[Session], object]
) -> None:
    """An index by status would contain every row that has the status now, or had it since the last vacuum."""
    lines = plan_with_stale_statistics(store, query)
    assert set(scans(lines)) <= {("fit_jobs_pkey", "id"), ("fit_jobs_open", "series_id")}, "\n".join(lines)
    assert scans(lines)


def test_finding_lost_messages_does_not_read_the_whole_queue_for_each_job(store: Sessions) -> None:
    lines = plan_with_stale_statistics(store, HOT["lost messages"])
    assert ("fit_jobs_open", "series_id") in scans(lines), "\n".join(lines)
    assert ("fit_jobs_open", "") not in scans(lines), "\n".join(lines)


def test_a_query_without_an_index_is_detected(store: Sessions) -> None:
    with store.begin() as session:
        lines = plan(session, lambda inner: inner.execute(text("SELECT * FROM fit_jobs WHERE worker = 'w'")))
    assert whole_tables(lines) == ["fit_jobs"]
