"""The collector's side of the database: which artifacts nothing refers to.

The collector walks the store slice by slice. `note` (after the listing), the grace, `take` in ONE transaction, COMMIT,
then the files are deleted. A crash in between costs nothing: what is still in the store is listed again.
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

_OWNERLESS = text("""
SELECT c.key FROM unnest(CAST(:keys AS text[]), CAST(:job_ids AS uuid[])) AS c (key, job_id)
 WHERE is_garbage(c.key, c.job_id) ORDER BY c.key
""")

# The grace is longer than the accept window: the artifact was there before noted_at, so its accept was asked before
# that, and by now would be refused. One that was in time and is not committed yet holds the lock of its series: such
# keys are left for the next round.
_RIPE = text(f"""
SELECT g.key FROM (SELECT key, series_id FROM garbage
                    WHERE noted_at < statement_timestamp() - make_interval(secs => :grace_s)
                    ORDER BY noted_at LIMIT :limit) AS g
 WHERE {try_series("g.series_id")}
""")

# A statement of its own, so that it sees what was committed before the locks were taken.
_TAKE = text("""
WITH taken AS (DELETE FROM garbage WHERE key = ANY (CAST(:keys AS text[])) RETURNING key, job_id)
SELECT key FROM taken WHERE is_garbage(key, job_id)
""")


def note(session: Session, keys: Sequence[Key]) -> None:
    """Remember those of the keys, just seen in the store, that nothing refers to."""
    session.execute(
        _NOTE,
        {
            "keys": [key.name for key in keys],
            "series_ids": [key.series_id for key in keys],
            "job_ids": [key.job_id for key in keys],
        },
    )


def ownerless(session: Session, keys: Sequence[Key]) -> list[str]:
    """Those of the keys that nothing refers to now, without remembering them."""
    names, job_ids = [key.name for key in keys], [key.job_id for key in keys]
    return list(session.execute(_OWNERLESS, {"keys": names, "job_ids": job_ids}).scalars())


def take(session: Session, grace_s: float, limit: int) -> tuple[int, list[str]]:
    """Settle notes older than the grace: how many, and the names to delete after COMMIT, still without an owner."""
    ripe = list(session.execute(_RIPE, {"grace_s": grace_s, "limit": limit}).scalars())
    return len(ripe), list(session.execute(_TAKE, {"keys": ripe}).scalars())
