"""Series: list, count, pin, delete.

Rows are locked in the order fit_jobs, series, versions, and the advisory lock of a series before all of them.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from shared.domain.versions import LARGEST_VERSION, SeriesSummary
from shared.store.engine import Session
from shared.store.latest import LATEST
from shared.store.locks import lock_series

_SUMMARY = f"""
SELECT s.series_id, v.version AS latest_version, s.pinned_version,
       (SELECT count(*) FROM versions o WHERE o.series_id = s.series_id) AS versions,
       v.detector, v.points, v.first_timestamp, v.last_timestamp, v.anomaly_share, v.sparkline,
       v.created_at AS fitted_at
  FROM {LATEST}"""
_ONE = text(_SUMMARY + " WHERE s.series_id = :series_id")
# '~' is greater than every character of an id, so that a prefix is a range of the primary key.
_PAGE = text(
    _SUMMARY
    + """
 WHERE s.series_id > :after AND s.series_id >= :prefix AND s.series_id < :prefix || '~'
   AND s.series_id >= :within AND s.series_id < :within || '~'
 ORDER BY s.series_id LIMIT :limit
"""
)
_COUNT = text("""
SELECT count(*) FROM series s
 WHERE s.series_id >= :within AND s.series_id < :within || '~'
   AND EXISTS (SELECT 1 FROM versions v WHERE v.series_id = s.series_id)
""")

_SERIES_SLICE = text("SELECT series_id FROM series WHERE series_id > :after ORDER BY series_id LIMIT :limit")

# --- a series: these five in ONE transaction. Job rows stay as history, without data, and so does last_version. ------

# An accept or a retry in flight is waited for and then seen by the next statement; a later one waits for this.
_TURN = text(f"SELECT {lock_series(':series_id')}")
_CANCEL_OF_SERIES = text("""
UPDATE fit_jobs SET status = 'cancelled', lease_until = NULL, data_key = NULL, finished_at = clock_timestamp()
 WHERE series_id = :series_id AND status IN ('queued', 'running') RETURNING CAST(id AS text)
""")
# Nothing of the series is open now, so this lets go of all that is left to retry.
_RELEASE_DATA_OF_SERIES = text("""
UPDATE fit_jobs SET data_key = NULL WHERE series_id = :series_id AND data_key IS NOT NULL
""")
# Also without a pin: the row stays locked, or one that is set meanwhile would refuse the next statement.
_UNPIN = text("UPDATE series SET pinned_version = NULL WHERE series_id = :series_id")
_DELETE_VERSIONS = text("DELETE FROM versions WHERE series_id = :series_id RETURNING version")

# --- pins -------------------------------------------------------------------------------------------------------------

# Pin: the row of the series first, as everybody locks; then the version, so that it cannot go before COMMIT. One that
# is being deleted is waited for, and not found.
_SERIES_TO_PIN = text("SELECT 1 FROM series WHERE series_id = :series_id FOR NO KEY UPDATE")
_PIN = text("""
UPDATE series SET pinned_version = kept.version
  FROM (SELECT version FROM versions WHERE series_id = :series_id AND version = :version FOR KEY SHARE) AS kept
 WHERE series.series_id = :series_id RETURNING 1
""")


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a series consisted of."""

    cancelled_job_ids: list[str]
    released_jobs: int  # that could have been retried
    versions: list[int]

    @property
    def existed(self) -> bool:
        """Whether there was anything to delete."""
        return bool(self.cancelled_job_ids or self.released_jobs or self.versions)


def find(session: Session, series_id: str) -> SeriesSummary | None:
    """One series; None when it has no version."""
    row = session.execute(_ONE, {"series_id": series_id}).first()
    return _summary(row) if row else None


def page(session: Session, prefix: str, after: str, limit: int, within: str = "") -> list[SeriesSummary]:
    """Series that have versions, in the order of their ids, beginning behind the id `after`.

    Only those whose ids begin with both: the prefix asked for, and the one that the caller may see.
    """
    rows = session.execute(_PAGE, {"prefix": prefix, "after": after, "limit": limit, "within": within})
    return [_summary(row) for row in rows]


def count(session: Session, within: str = "") -> int:
    """How many series whose ids begin so have versions."""
    return int(session.execute(_COUNT, {"within": within}).scalar_one())


def delete_series(session: Session, series_id: str) -> Deleted:
    """Cancel the open jobs of a series, let go of all its data, remove its pin and its versions."""
    own = {"series_id": series_id}
    session.execute(_TURN, own)
    cancelled = list(session.execute(_CANCEL_OF_SERIES, own).scalars())
    released = session.execute(_RELEASE_DATA_OF_SERIES, own).rowcount
    session.execute(_UNPIN, own)
    return Deleted(cancelled, released, sorted(session.execute(_DELETE_VERSIONS, own).scalars()))


def pin(session: Session, series_id: str, version: int) -> bool:
    """Make this version what latest means; False when it does not exist."""
    if version > LARGEST_VERSION:
        return False
    session.execute(_SERIES_TO_PIN, {"series_id": series_id})
    return session.execute(_PIN, {"series_id": series_id, "version": version}).first() is not None


def unpin(session: Session, series_id: str) -> None:
    """Make latest mean the highest version again."""
    session.execute(_UNPIN, {"series_id": series_id})


def series_slice(session: Session, after: str, limit: int) -> list[str]:
    """Ids of series, whether they have versions or not, in their order, beginning behind the id `after`."""
    return list(session.execute(_SERIES_SLICE, {"after": after, "limit": limit}).scalars())


def _summary(row: Row[Any]) -> SeriesSummary:
    return SeriesSummary(**row._asdict())
