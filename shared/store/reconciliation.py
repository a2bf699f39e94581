"""How the reconciler changes rows: expire leases, repeat messages, delete old jobs. One reconciler at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from shared.store.engine import Session
from shared.store.locks import RECONCILER

# False: another reconciler is working. The lock is held until COMMIT; messages are sent after that.
_LOCK = text(f"SELECT pg_try_advisory_xact_lock({RECONCILER}, 0)")

# Expired leases. Too many crashes fail the job, so that the next job of its series can run. After a start of the
# database, workers get time to renew their leases first: the database was down, not the workers.
_REAP = text("""
UPDATE fit_jobs AS j
   SET crashes = j.crashes + 1, worker = NULL, lease_until = NULL, announced_at = NULL, announcements = 0,
       status = CASE WHEN j.crashes + 1 >= :max_crashes THEN 'failed' ELSE 'queued' END,
       error_code = CASE WHEN j.crashes + 1 >= :max_crashes THEN 'worker_lost' END,
       error_detail = CASE WHEN j.crashes + 1 >= :max_crashes
                           THEN format('%s workers died while they fitted this series.', j.crashes + 1) END,
       finished_at = CASE WHEN j.crashes + 1 >= :max_crashes THEN clock_timestamp() END,
       available_at = clock_timestamp()
                    + interval '1 s' * CASE WHEN j.crashes = 0 THEN 0 ELSE least(30, power(2, j.crashes)) END
 WHERE j.id = ANY (ARRAY(SELECT id FROM fit_jobs WHERE status = 'running' AND lease_until < clock_timestamp()
                            AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => :settled_s)
                          ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED))
RETURNING CAST(j.id AS text) AS job_id, j.status
""")

# Jobs that can be claimed now: due and first in their series.
_DUE = """
          q.status = 'queued' AND q.available_at <= clock_timestamp()
            AND NOT EXISTS (SELECT 1 FROM fit_jobs o
                             WHERE o.series_id = q.series_id AND o.status IN ('queued', 'running') AND o.seq < q.seq
                            OFFSET 0)  -- as in a claim
"""
_COUNT_DUE = text(f"SELECT count(*) FROM (SELECT 1 FROM fit_jobs q WHERE {_DUE} LIMIT :limit) due")

# Due jobs that probably have no message. NULL in announced_at: none is in flight.
_ANNOUNCE = text(f"""
UPDATE fit_jobs SET announced_at = clock_timestamp(), announcements = announcements + 1
 WHERE id = ANY (ARRAY(
         SELECT q.id FROM fit_jobs q
          WHERE (q.announced_at IS NULL OR q.announced_at
                 < clock_timestamp() - make_interval(secs => :spacing_s * power(2, least(q.announcements, :doublings))))
            AND {_DUE}
          ORDER BY q.seq LIMIT :limit FOR UPDATE OF q SKIP LOCKED))
RETURNING CAST(id AS text)
""")

# Redis did not take the messages, so none is in flight.
_RETRACT = text("""
UPDATE fit_jobs SET announced_at = NULL, announcements = announcements - 1
 WHERE id = ANY (CAST(:job_ids AS uuid[])) AND (status = 'queued') IS TRUE AND announcements > 0
""")

# Retention, for a limited number of rows at a time. A job that is being retried is locked and so skipped.
# statement_timestamp() is STABLE and so can bound an index scan; clock_timestamp() would read every finished job.
_RELEASE_DATA = text("""
UPDATE fit_jobs SET data_key = NULL
 WHERE id = ANY (ARRAY(SELECT id FROM fit_jobs
                        WHERE data_key IS NOT NULL AND finished_at < statement_timestamp() - interval '1 day' * :days
                        ORDER BY finished_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""")
_PRUNE_JOBS = text("""
DELETE FROM fit_jobs
 WHERE id = ANY (ARRAY(SELECT id FROM fit_jobs
                        WHERE finished_at < statement_timestamp() - interval '1 day' * :days
                        ORDER BY finished_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""")


@dataclass(frozen=True, slots=True)
class Reaped:
    """A job whose lease expired."""

    job_id: str
    status: str  # queued or failed


def take_turn(session: Session) -> bool:
    """Try to take the lock of the reconcilers until the end of the transaction; return False if another has it."""
    return bool(session.execute(_LOCK).scalar_one())


def reap(session: Session, max_crashes: int, settled_s: float) -> list[Reaped]:
    """Requeue or fail jobs with an expired lease, unless the database started less than `settled_s` ago."""
    parameters = {"max_crashes": max_crashes, "settled_s": settled_s}
    return [Reaped(*row) for row in session.execute(_REAP, parameters)]


def due(session: Session, limit: int) -> int:
    """Return the number of jobs that could be claimed now, counting up to `limit`."""
    return int(session.execute(_COUNT_DUE, {"limit": limit}).scalar_one())


def to_announce(session: Session, spacing_s: float, doublings: int, limit: int) -> list[str]:
    """Return the ids of queued jobs whose message may be lost, and mark them as announced."""
    parameters = {"spacing_s": spacing_s, "doublings": doublings, "limit": limit}
    return list(session.execute(_ANNOUNCE, parameters).scalars())


def retract(session: Session, job_ids: Sequence[str]) -> None:
    """Record that the messages of these jobs could not be sent, so that the next round sends them."""
    session.execute(_RETRACT, {"job_ids": list(job_ids)})


def release_data(session: Session, days: float, limit: int) -> int:
    """Release the training data of jobs that failed or were canceled more than `days` ago; return their number."""
    return session.execute(_RELEASE_DATA, {"days": days, "limit": limit}).rowcount


def prune_jobs(session: Session, days: float, limit: int) -> int:
    """Delete the rows of jobs that finished more than `days` ago; return their number."""
    return session.execute(_PRUNE_JOBS, {"days": days, "limit": limit}).rowcount
