"""Series: list, count, pin, delete.

Rows are locked in the order fit_jobs, series, versions, streams, alerts, and the advisory lock of a series before all
of them.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from shared.domain.versions import LARGEST_VERSION, SeriesSummary
from shared.store import alerts, streams
from shared.store.engine import Session
from shared.store.latest import latest_rows
from shared.store.locks import lock_series

SUMMARY = f"""
SELECT s.series_id, v.version AS latest_version, s.pinned_version,
       (SELECT count(*) FROM versions o WHERE o.series_id = s.series_id) AS versions,
       v.detector, v.points, v.first_timestamp, v.last_timestamp, v.anomaly_share, v.sparkline,
       coalesce(v.learnt -> 'sparkline_anomalies', '[]') AS sparkline_anomalies, v.created_at AS fitted_at
  FROM {latest_rows()}"""
_ONE = text(SUMMARY + " WHERE s.series_id = :series_id")
# '~' is greater than every character of an id, so a prefix is a range of the primary key.
_BOTH_PREFIXES = """
       s.series_id >= :prefix AND s.series_id < :prefix || '~'
   AND s.series_id >= :visible_prefix AND s.series_id < :visible_prefix || '~'
"""
_PAGE = text(f"{SUMMARY} WHERE s.series_id > :after AND {_BOTH_PREFIXES} ORDER BY s.series_id LIMIT :limit")
_COUNT_LISTED = text(f"SELECT count(*) FROM {latest_rows()} WHERE {_BOTH_PREFIXES}")
_COUNT = text("""
SELECT count(*) FROM series s
 WHERE s.series_id >= :visible_prefix AND s.series_id < :visible_prefix || '~'
   AND EXISTS (SELECT 1 FROM versions v WHERE v.series_id = s.series_id)
""")

_SERIES_SLICE = text("SELECT series_id FROM series WHERE series_id > :after ORDER BY series_id LIMIT :limit")

# --- delete a series: these five, and those for its stream, in ONE transaction ---------------------------------------
# Job rows, without data, and last_version remain as history.

# Waits for an accept or retry in flight, which the next statement then sees. Later ones wait for this transaction.
_LOCK_SERIES = text(f"SELECT {lock_series(':series_id')}")
_CANCEL_OF_SERIES = text("""
UPDATE fit_jobs SET status = 'cancelled', lease_until = NULL, data_key = NULL, finished_at = clock_timestamp()
 WHERE series_id = :series_id AND status IN ('queued', 'running') RETURNING CAST(id AS text)
""")
# No job of the series is open now, so this releases all data that was kept for a retry.
_RELEASE_DATA_OF_SERIES = text("""
UPDATE fit_jobs SET data_key = NULL WHERE series_id = :series_id AND data_key IS NOT NULL
""")
# Runs even without a pin: it locks the row, since a pin set in the meantime would make the next statement fail.
_UNPIN = text("UPDATE series SET pinned_version = NULL WHERE series_id = :series_id")
_DELETE_VERSIONS = text("DELETE FROM versions WHERE series_id = :series_id RETURNING version")

# --- pins -------------------------------------------------------------------------------------------------------------

# Lock the row of the series first, in the common order, then the version, so that it cannot be deleted before COMMIT.
# If the version is being deleted, this waits and then does not find it.
_SERIES_TO_PIN = text("SELECT 1 FROM series WHERE series_id = :series_id FOR NO KEY UPDATE")
_PIN = text("""
UPDATE series SET pinned_version = kept.version
  FROM (SELECT version FROM versions WHERE series_id = :series_id AND version = :version FOR KEY SHARE) AS kept
 WHERE series.series_id = :series_id RETURNING 1
""")


@dataclass(frozen=True, slots=True)
class Deleted:
    """The parts of a series that were deleted."""

    cancelled_job_ids: list[str]
    released_jobs: int  # ended jobs that could have been retried
    versions: list[int]
    had_stream: bool

    @property
    def existed(self) -> bool:
        """Whether the series had anything to delete."""
        return bool(self.cancelled_job_ids or self.released_jobs or self.versions or self.had_stream)


def find(session: Session, series_id: str) -> SeriesSummary | None:
    """Return the summary of a series; None if it has no version."""
    row = session.execute(_ONE, {"series_id": series_id}).first()
    return summary_of(row) if row else None


def page(session: Session, prefix: str, after: str, limit: int, visible_prefix: str = "") -> list[SeriesSummary]:
    """Return series that have versions or stored points, ordered by id, starting after the id `after`.

    Their ids begin with `prefix`, which the caller requests, and `visible_prefix`, which limits what the caller sees.
    """
    rows = session.execute(_PAGE, {"prefix": prefix, "after": after, "limit": limit, "visible_prefix": visible_prefix})
    learning = map(without_version, streams.learning(session, prefix, after, limit, visible_prefix))
    return sorted([*map(summary_of, rows), *learning], key=lambda summary: summary.series_id)[:limit]


def without_version(series_id: str) -> SeriesSummary:
    """Return the summary of a series that no fit has succeeded for."""
    return SeriesSummary(series_id, None, None, 0, None, None, None, None, None, None, [], None)


def count_listed(session: Session, prefix: str, visible_prefix: str) -> int:
    """Count the series on all pages of these prefixes, with those that only have stored points."""
    fitted = session.execute(_COUNT_LISTED, {"prefix": prefix, "visible_prefix": visible_prefix}).scalar_one()
    return int(fitted) + streams.count_learning(session, prefix, visible_prefix)


def count(session: Session, visible_prefix: str = "") -> int:
    """Count the series that have versions and whose ids begin with `visible_prefix`."""
    return int(session.execute(_COUNT, {"visible_prefix": visible_prefix}).scalar_one())


def delete_series(session: Session, series_id: str) -> Deleted:
    """Cancel the open jobs of a series, release all its data, and delete its pin, its versions and its stream.

    The stream's alerts are closed; the reconciler deletes its points.
    """
    parameters = {"series_id": series_id}
    session.execute(_LOCK_SERIES, parameters)
    cancelled = list(session.execute(_CANCEL_OF_SERIES, parameters).scalars())
    released = session.execute(_RELEASE_DATA_OF_SERIES, parameters).rowcount
    session.execute(_UNPIN, parameters)
    versions = sorted(session.execute(_DELETE_VERSIONS, parameters).scalars())
    no = streams.mark_deleted(session, series_id)
    if no is not None:
        alerts.close_of_streams(session, [no])
    return Deleted(cancelled, released, versions, had_stream=no is not None)


def pin(session: Session, series_id: str, version: int) -> bool:
    """Pin a version, which makes it the latest; return False if it does not exist."""
    if version > LARGEST_VERSION:
        return False
    session.execute(_SERIES_TO_PIN, {"series_id": series_id})
    return session.execute(_PIN, {"series_id": series_id, "version": version}).first() is not None


def unpin(session: Session, series_id: str) -> None:
    """Remove the pin, so that the highest version is the latest again."""
    session.execute(_UNPIN, {"series_id": series_id})


def series_slice(session: Session, after: str, limit: int) -> list[str]:
    """Return ids of series, with or without versions, in order, starting after the id `after`."""
    return list(session.execute(_SERIES_SLICE, {"after": after, "limit": limit}).scalars())


def summary_of(row: Row[Any]) -> SeriesSummary:
    """Return a row of `SUMMARY`."""
    return SeriesSummary(**row._asdict())
