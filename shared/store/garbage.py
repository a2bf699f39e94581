"""Garbage collection in the database: find the artifacts that no row refers to.

The collector processes the store in slices: list the keys, `note` them, wait for the grace period, `take` them in ONE
transaction, COMMIT, delete the files. A crash in between is harmless: remaining files are listed again.
"""

from collections.abc import Sequence

from sqlalchemy import text

from shared.artifacts import Key
from shared.store.engine import Session
from shared.store.locks import try_series

_NOTE = text("""
INSERT INTO garbage (key, series_id, job_id)
SELECT c.key, c.series_id, c.job_id
  FROM unnest(CAST(:keys AS text[]), CAST(:series_ids AS text[]), CAST(:job_ids AS uuid[]))
    AS c (key, series_id, job_id)
 WHERE is_garbage(c.key, c.job_id)
ON CONFLICT DO NOTHING
""")

_ORPHANED = text("""
SELECT c.key FROM unnest(CAST(:keys AS text[]), CAST(:job_ids AS uuid[])) AS c (key, job_id)
 WHERE is_garbage(c.key, c.job_id) ORDER BY c.key
""")

# The grace period is longer than the accept window. The artifact existed before noted_at, and its job was admitted even
# earlier, so the insert of that job would be rejected now. An insert that was in time but is not committed yet holds
# the lock of its series; the next round handles such keys.
_DUE = text(f"""
SELECT g.key FROM (SELECT key, series_id FROM garbage
                    WHERE noted_at < statement_timestamp() - make_interval(secs => :grace_s)
                    ORDER BY noted_at LIMIT :limit) AS g
 WHERE {try_series("g.series_id")}
""")

# A separate statement, so that it sees all commits before the locks were taken.
_TAKE = text("""
WITH taken AS (DELETE FROM garbage WHERE key = ANY (CAST(:keys AS text[])) RETURNING key, job_id)
SELECT key FROM taken WHERE is_garbage(key, job_id)
""")


def note(session: Session, keys: Sequence[Key]) -> None:
    """Note the keys that no row refers to. keys: a slice of those in the store."""
    session.execute(
        _NOTE,
        {
            "keys": [key.name for key in keys],
            "series_ids": [key.series_id for key in keys],
            "job_ids": [key.job_id for key in keys],
        },
    )


def orphaned(session: Session, keys: Sequence[Key]) -> list[str]:
    """Return the names of the keys that no row refers to now, without noting them."""
    names, job_ids = [key.name for key in keys], [key.job_id for key in keys]
    return list(session.execute(_ORPHANED, {"keys": names, "job_ids": job_ids}).scalars())


def take(session: Session, grace_s: float, limit: int) -> tuple[int, list[str]]:
    """Remove notes older than the grace period.

    Return their number, and the names that are still orphaned. Delete these artifacts after COMMIT.
    """
    due = list(session.execute(_DUE, {"grace_s": grace_s, "limit": limit}).scalars())
    return len(due), list(session.execute(_TAKE, {"keys": due}).scalars())
