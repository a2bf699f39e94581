"""What users and retention take back or change: cancel, retry, delete, pin, prune. Rows only; files are collected.

Rows are locked in the order fit_jobs, series, versions, and the advisory lock of a series before all of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.domain.jobs import Status
from shared.domain.versions import Version
from shared.errors import Code, TsadError
from shared.store.engine import Session

# --- jobs -----------------------------------------------------------------------------------------------------------

# Terminal at once, also when running: the worker's next heartbeat finds no row and publish is fenced off.
# No row: it was finished before; read it. Then announce next_of_series.
_CANCEL = text("""
UPDATE fit_jobs SET status = 'cancelled', lease_until = NULL, finished_at = clock_timestamp()
 WHERE id = CAST(:job_id AS uuid) AND (status IN ('queued', 'running')) IS TRUE RETURNING series_id, attempt
""")

# A new job that shares the data of the old one. FOR SHARE keeps the old row, and its hold on the data, until the new
# row is committed. One open retry per job: a second click finds the first (no row; see open_retry). The lock of the
# series comes first: so a deletion of the series either cancels this job or is seen by it, and the two never wait for
# each other. The series of a row never changes, so that it may be read before.
_RETRY = text("""
WITH turn AS MATERIALIZED (
  SELECT id, pg_advisory_xact_lock(8243, hashtext(series_id)) FROM fit_jobs WHERE id = CAST(:job_id AS uuid)
)
INSERT INTO fit_jobs (id, series_id, detector, parameters, points, data_key, data_sha256, data_size,
                      retry_of, api_key_id, request_id)
SELECT CAST(:new_job_id AS uuid), old.series_id, old.detector, old.parameters, old.points, old.data_key,
       old.data_sha256, old.data_size, old.id, :api_key_id, :request_id
  FROM turn, LATERAL (
         SELECT * FROM fit_jobs f
          WHERE f.id = turn.id AND f.status IN ('failed', 'cancelled') AND f.data_key IS NOT NULL FOR SHARE) AS old
ON CONFLICT DO NOTHING
RETURNING CAST(id AS text)
""")
# A version's data fitted again. FOR KEY SHARE keeps the version, and its hold on the data, until the new row is
# committed; the lock of the series comes first for the same reason as in a retry.
_REFIT = text("""
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(8243, hashtext(:series_id)))
INSERT INTO fit_jobs (id, series_id, detector, parameters, points, data_key, data_sha256, data_size,
                      api_key_id, request_id)
SELECT CAST(:new_job_id AS uuid), kept.series_id, :detector, CAST(:parameters AS jsonb), kept.points, kept.data_key,
       kept.data_sha256, kept.data_size, :api_key_id, :request_id
  FROM turn, LATERAL (
         SELECT * FROM versions v WHERE v.series_id = :series_id AND v.version = :version FOR KEY SHARE) AS kept
RETURNING CAST(id AS text)
""")
_OPEN_RETRY = text("""
SELECT CAST(id AS text) AS job_id, status FROM fit_jobs
 WHERE retry_of = CAST(:job_id AS uuid) AND status IN ('queued', 'running')
""")

# --- a series: these five in ONE transaction. Job rows stay as history, without data, and so does last_version. ------

# An accept or a retry in flight is waited for and then seen by the next statement; a later one waits for this.
_TURN = text("SELECT pg_advisory_xact_lock(8243, hashtext(:series_id))")
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

# --- versions -------------------------------------------------------------------------------------------------------

_DELETE_VERSION = text("DELETE FROM versions WHERE series_id = :series_id AND version = :version RETURNING version")
_PIN_EXISTS = "series_pin_exists"  # the foreign key that refuses to lose a pinned version
_LARGEST_NUMBER = 2**31 - 1

# Pin: the row of the series first, as everybody locks; then the version, so that it cannot go before COMMIT. One that
# is being deleted is waited for, and not found.
_SERIES_TO_PIN = text("SELECT 1 FROM series WHERE series_id = :series_id FOR NO KEY UPDATE")
_PIN = text("""
UPDATE series SET pinned_version = kept.version
  FROM (SELECT version FROM versions WHERE series_id = :series_id AND version = :version FOR KEY SHARE) AS kept
 WHERE series.series_id = :series_id RETURNING 1
""")

# --- retention ------------------------------------------------------------------------------------------------------

_SERIES_SLICE = text("SELECT series_id FROM series WHERE series_id > :after ORDER BY series_id LIMIT :limit")

# Of some series, keep the newest versions, the younger ones, and the pinned one. The rows of those series that have
# something to lose are locked, or a pin that is set meanwhile would refuse the whole statement; a series that is being
# pinned or published to is left for the next time.
_PRUNE_VERSIONS = text("""
WITH old AS MATERIALIZED (
  SELECT s.series_id, o.version
    FROM series s,
         LATERAL (SELECT v.version, v.created_at FROM versions v WHERE v.series_id = s.series_id
                   ORDER BY v.version DESC OFFSET :keep) AS o
   WHERE s.series_id = ANY (CAST(:series_ids AS text[])) AND o.version IS DISTINCT FROM s.pinned_version
     AND o.created_at < statement_timestamp() - interval '1 day' * :days
     FOR NO KEY UPDATE OF s SKIP LOCKED
)
DELETE FROM versions v USING old WHERE v.series_id = old.series_id AND v.version = old.version
""")


class PinnedError(TsadError):
    """The version is pinned: it is what latest means, and cannot be deleted."""

    def __init__(self, version: int) -> None:
        super().__init__(Code.VERSION_PINNED, f"Version {version} is pinned. Remove the pin, then delete it.")


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A job that was open until now."""

    series_id: str
    attempts: int


class OpenRetry(NamedTuple):
    """A job that does what another did not."""

    job_id: str
    status: Status


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


def cancel(session: Session, job_id: str) -> Cancelled | None:
    """End an open job: from COMMIT on it publishes nothing. None when it is not open, or unknown."""
    row = session.execute(_CANCEL, {"job_id": job_id}).first()
    return Cancelled(row.series_id, row.attempt) if row else None


def retry(session: Session, job_id: str, new_job_id: str, api_key_id: str, request_id: str) -> str | None:
    """Accept a failed or cancelled job again, under the new id, which is returned.

    None when its data was let go, it did not fail, it is unknown, or a retry of it is open: see `open_retry`.
    """
    parameters = {"job_id": job_id, "new_job_id": new_job_id, "api_key_id": api_key_id, "request_id": request_id}
    return session.execute(_RETRY, parameters).scalar()


def refit(
    session: Session,
    version: Version,
    new_job_id: str,
    detector: str,
    parameters: Mapping[str, Any],
    api_key_id: str,
    request_id: str,
) -> bool:
    """Accept a fit of a version's data under the new id; False when the version is gone, and its data with it."""
    own = {
        "series_id": version.series_id,
        "version": version.version,
        "new_job_id": new_job_id,
        "detector": detector,
        "parameters": json.dumps(parameters),
        "api_key_id": api_key_id,
        "request_id": request_id,
    }
    return session.execute(_REFIT, own).first() is not None


def open_retry(session: Session, job_id: str) -> OpenRetry | None:
    """The queued or running job that retries this one."""
    row = session.execute(_OPEN_RETRY, {"job_id": job_id}).first()
    return OpenRetry(row.job_id, Status(row.status)) if row else None


def delete_version(session: Session, series_id: str, version: int) -> bool:
    """Remove a version; False when there is none. `PinnedError` while it is pinned: the transaction is lost then."""
    if version > _LARGEST_NUMBER:
        return False
    try:
        return session.execute(_DELETE_VERSION, {"series_id": series_id, "version": version}).first() is not None
    except IntegrityError as error:
        if _PIN_EXISTS in str(error.orig):
            raise PinnedError(version) from None
        raise


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
    if version > _LARGEST_NUMBER:
        return False
    session.execute(_SERIES_TO_PIN, {"series_id": series_id})
    return session.execute(_PIN, {"series_id": series_id, "version": version}).first() is not None


def unpin(session: Session, series_id: str) -> None:
    """Make latest mean the highest version again."""
    session.execute(_UNPIN, {"series_id": series_id})


def series_slice(session: Session, after: str, limit: int) -> list[str]:
    """Ids of series, whether they have versions or not, in their order, beginning behind the id `after`."""
    return list(session.execute(_SERIES_SLICE, {"after": after, "limit": limit}).scalars())


def prune_versions(session: Session, series_ids: Sequence[str], keep: int, days: float) -> int:
    """Remove versions of these series that are older, but for the newest `keep` and the pinned one; how many."""
    parameters = {"series_ids": list(series_ids), "keep": keep, "days": days}
    return session.execute(_PRUNE_VERSIONS, parameters).rowcount
