"""Versions: publish, read, delete."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError

from shared.domain.jobs import Claim
from shared.domain.versions import (
    LARGEST_VERSION,
    Artifact,
    NewVersion,
    Version,
    series_not_found,
    version_not_found,
)
from shared.errors import Code, NotFoundError, TsadError
from shared.store.engine import Session
from shared.store.latest import LATEST

# --- publish: write the artifacts, then this ONE statement, which is one transaction --------------------------------

# First the fence: no row = the job was reaped, cancelled, deleted, or published already, and nothing happens. A
# heartbeat in flight is waited for and does no harm. Then the number, the version, which takes over the job's hold on
# the training data, and the end of the job: each part needs the rows of the one before, so that rows are locked in the
# order fit_jobs, series, versions, and the guard of the job's success sees the version.
_PUBLISH = text("""
WITH fenced AS MATERIALIZED (
  SELECT * FROM fit_jobs
   WHERE id = CAST(:job_id AS uuid) AND attempt = :attempt AND (status = 'running') IS TRUE FOR UPDATE
), numbered AS (
  INSERT INTO series AS s (series_id, last_version) SELECT series_id, 1 FROM fenced
  ON CONFLICT (series_id) DO UPDATE SET last_version = s.last_version + 1 RETURNING last_version
), published AS (
  INSERT INTO versions (series_id, version, job_id, attempt, detector, parameters, points,
                        first_timestamp, last_timestamp, learnt, anomaly_share, sparkline, fit_ms,
                        data_key, data_sha256, data_size, state_key, state_sha256, state_size,
                        scores_key, scores_sha256, scores_size)
  SELECT series_id, last_version, id, attempt, detector, parameters, points,
         :first_timestamp, :last_timestamp, CAST(:learnt AS jsonb), :anomaly_share,
         CAST(:sparkline AS double precision[]), :fit_ms,
         data_key, data_sha256, data_size, :state_key, :state_sha256, :state_size,
         :scores_key, :scores_sha256, :scores_size
    FROM fenced, numbered
  RETURNING version
)
UPDATE fit_jobs SET status = 'succeeded', version = published.version, data_key = NULL, progress = 1,
       lease_until = NULL, finished_at = clock_timestamp()
  FROM published
 WHERE id = CAST(:job_id AS uuid) AND attempt = :attempt AND (status = 'running') IS TRUE
RETURNING published.version
""")

# --- read -----------------------------------------------------------------------------------------------------------

_COLUMNS = """
SELECT v.series_id, v.version, CAST(v.job_id AS text) AS job_id, v.detector, v.parameters, v.points, v.first_timestamp,
       v.last_timestamp, v.learnt, v.anomaly_share, v.sparkline, v.fit_ms, v.data_key, v.data_sha256, v.data_size,
       v.state_key, v.state_sha256, v.state_size, v.scores_key, v.scores_sha256, v.scores_size, v.created_at
"""
_VERSIONS = _COLUMNS + "  FROM versions v"
_ONE = text(_VERSIONS + " WHERE v.series_id = :series_id AND v.version = :version")
_LATEST = text(f"{_COLUMNS}  FROM {LATEST} WHERE s.series_id = :series_id")
_STATES = text("""
SELECT series_id, version, state_key, state_sha256, state_size
  FROM unnest(CAST(:series_ids AS text[]), CAST(:versions AS integer[])) AS wanted (series_id, version)
  JOIN versions USING (series_id, version)
""")
_PAGE = text(_VERSIONS + " WHERE v.series_id = :series_id AND v.version < :below ORDER BY v.version DESC LIMIT :limit")
_NEIGHBOURS = text("""
SELECT (SELECT max(version) FROM versions WHERE series_id = :series_id AND version < :version) AS before,
       (SELECT min(version) FROM versions WHERE series_id = :series_id AND version > :version) AS after
""")

# --- delete -----------------------------------------------------------------------------------------------------------

_DELETE_VERSION = text("DELETE FROM versions WHERE series_id = :series_id AND version = :version RETURNING version")
_PIN_EXISTS = "series_pin_exists"  # the foreign key that refuses to lose a pinned version

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


def publish(session: Session, claimed: Claim, new: NewVersion) -> int | None:
    """Publish the version and end its job as succeeded; None when the job is no longer this attempt's."""
    learnt = {
        "first_timestamp": new.first_timestamp,
        "last_timestamp": new.last_timestamp,
        "learnt": json.dumps(new.learnt),
        "anomaly_share": new.anomaly_share,
        "sparkline": new.sparkline,
        "fit_ms": new.fit_ms,
    }
    own = {"job_id": claimed.job_id, "attempt": claimed.attempt}
    artifacts = _artifact_columns("state", new.state) | _artifact_columns("scores", new.scores)
    number: int | None = session.execute(_PUBLISH, own | learnt | artifacts).scalar()
    return number


def find(session: Session, series_id: str, version: int | None) -> Version | None:
    """One version; None asks for the latest."""
    if version is None:
        row = session.execute(_LATEST, {"series_id": series_id}).first()
    elif version > LARGEST_VERSION:
        return None
    else:
        row = session.execute(_ONE, {"series_id": series_id, "version": version}).first()
    return _version(row) if row else None


def get(session: Session, series_id: str, version: int | None) -> Version:
    """Return the version, the latest for None; raise `NotFoundError` where it, or the whole series, is missing."""
    if row := find(session, series_id, version):
        return row
    raise missing(session, series_id, version)


def missing(session: Session, series_id: str, version: int | None) -> NotFoundError:
    """The error for a version that does not exist: whether the series has others."""
    has_others = version is not None and find(session, series_id, None) is not None
    return version_not_found() if has_others else series_not_found()


def states(session: Session, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Artifact]:
    """Where the states of these versions are, each a series id and a number; without those that do not exist."""
    possible = [one for one in wanted if one[1] <= LARGEST_VERSION]
    columns = {"series_ids": [series_id for series_id, _ in possible], "versions": [number for _, number in possible]}
    return {
        (row.series_id, row.version): Artifact(row.state_key, bytes(row.state_sha256), row.state_size)
        for row in session.execute(_STATES, columns)
    }


def page(session: Session, series_id: str, below: int | None, limit: int) -> list[Version]:
    """Versions of a series, newest first, beginning below number `below`."""
    rows = session.execute(
        _PAGE, {"series_id": series_id, "below": LARGEST_VERSION if below is None else below, "limit": limit}
    )
    return [_version(row) for row in rows]


def neighbours(session: Session, series_id: str, version: int) -> tuple[int | None, int | None]:
    """The numbers of the versions before and after."""
    row = session.execute(_NEIGHBOURS, {"series_id": series_id, "version": version}).one()
    return row.before, row.after


def delete_version(session: Session, series_id: str, version: int) -> bool:
    """Remove a version; False when there is none. `PinnedError` while it is pinned: the transaction is lost then."""
    if version > LARGEST_VERSION:
        return False
    try:
        return session.execute(_DELETE_VERSION, {"series_id": series_id, "version": version}).first() is not None
    except IntegrityError as error:
        if _PIN_EXISTS in str(error.orig):
            raise PinnedError(version) from None
        raise


def prune_versions(session: Session, series_ids: Sequence[str], keep: int, days: float) -> int:
    """Remove versions of these series that are older, but for the newest `keep` and the pinned one; how many."""
    parameters = {"series_ids": list(series_ids), "keep": keep, "days": days}
    return session.execute(_PRUNE_VERSIONS, parameters).rowcount


def _artifact_columns(kind: str, artifact: Artifact) -> dict[str, object]:
    return {f"{kind}_key": artifact.key, f"{kind}_sha256": artifact.sha256, f"{kind}_size": artifact.size}


def _version(row: Row[Any]) -> Version:
    columns = row._asdict()
    for kind in ("data", "state", "scores"):
        columns[kind] = Artifact(
            key=columns.pop(f"{kind}_key"),
            sha256=bytes(columns.pop(f"{kind}_sha256")),
            size=columns.pop(f"{kind}_size"),
        )
    return Version(**columns)
