"""No query of a hot path has to read a whole table, however large it grows."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from sqlalchemy import text

from benchmark.plans import CLAIM, HOT, JOB, plan, whole_tables
from shared.store import attempts, jobs
from shared.store.engine import Session, Sessions

OF_ONE: dict[str, Callable[[Session], object]] = {
    **{name: HOT[name] for name in ("a claim", "a heartbeat", "a publication", "the next of a series")},
    "a release": lambda session: attempts.release(session, CLAIM, 1.0),
    "a failure": lambda session: attempts.fail(session, CLAIM, "fit_failed", "why"),
    "a worker that is gone": lambda session: attempts.abandon(session, JOB, "nobody"),
    "a message that is spent": lambda session: attempts.message_spent(session, JOB),
    "a cancellation": lambda session: jobs.cancel(session, JOB),
}
FINISHED = text("""
INSERT INTO fit_jobs (id, series_id, detector, points, data_sha256, data_size, status, version, finished_at)
SELECT gen_random_uuid(), 'grown-' || i % 100, 'baseline', 3, sha256('d'), 1, 'cancelled', NULL, now()
  FROM generate_series(1, 20000) i
""")


def scans(lines: list[str]) -> list[tuple[str, str]]:
    """The indexes that a plan uses, each with the first column it is asked for; nothing where all of it is read."""
    used = [(re.search(r"Scan using (\w+)", line), below) for line, below in pairwise([*lines, ""])]
    conditions = [(scan[1], re.search(r"Index Cond: \(+(\w+)", below)) for scan, below in used if scan]
    return [(index, condition[1] if condition else "") for index, condition in conditions]


def plan_where_few_seem_open(store: Sessions, query: Callable[[Session], object]) -> list[str]:
    """A plan made from statistics of many jobs, of which none is open."""
    with store.begin() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(FINISHED)
        session.execute(text("ANALYZE fit_jobs"))
        lines = plan(session, query)
        session.rollback()
    return lines


@pytest.mark.parametrize("query", HOT.values(), ids=HOT)
def test_there_is_an_index_for(store: Sessions, query: Callable[[Session], object]) -> None:
    with store.begin() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))  # which a small table would be worth
        lines = plan(session, query)
    assert lines
    assert whole_tables(lines) == [], "\n".join(lines)


@pytest.mark.parametrize("query", OF_ONE.values(), ids=OF_ONE)
def test_a_job_is_found_by_its_id_or_series_however_few_seem_to_be_of_its_status(
    store: Sessions, query: Callable[[Session], object]
) -> None:
    """Statistics lag behind: the planner would read whatever has that status now, or had it since the last vacuum."""
    lines = plan_where_few_seem_open(store, query)
    assert set(scans(lines)) <= {("fit_jobs_pkey", "id"), ("fit_jobs_open", "series_id")}, "\n".join(lines)
    assert scans(lines)


def test_lost_messages_are_looked_for_without_reading_the_whole_queue_for_each_of_its_jobs(store: Sessions) -> None:
    lines = plan_where_few_seem_open(store, HOT["lost messages"])
    assert ("fit_jobs_open", "series_id") in scans(lines), "\n".join(lines)
    assert ("fit_jobs_open", "") not in scans(lines), "\n".join(lines)


def test_a_query_without_an_index_would_be_noticed(store: Sessions) -> None:
    with store.begin() as session:
        lines = plan(session, lambda inner: inner.execute(text("SELECT * FROM fit_jobs WHERE worker = 'w'")))
    assert whole_tables(lines) == ["fit_jobs"]
