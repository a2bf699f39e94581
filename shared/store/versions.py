"""Publish, read and delete versions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError

from shared.domain.jobs import SCHEDULER, Claim
from shared.domain.versions import (
    LARGEST_VERSION,
    Artifact,
    NewVersion,
    Version,
    series_not_found,
    version_not_found,
)
from shared.errors import Code, NotFoundError, TsadError
from shared.store.artifact_columns import artifact, columns_of, take_artifact
from shared.store.engine import Session
from shared.store.latest import latest_rows

# Stored among what was learned; earlier releases stored none.
INCIDENTS, SPARKLINE_ANOMALIES = "incidents", "sparkline_anomalies"

# --- publish: write the artifacts, then this ONE statement, which is one transaction --------------------------------

# The fence comes first: if it finds no row, the job was reaped, canceled, deleted or already published, and nothing
# happens. Waiting for a heartbeat in flight is harmless. Next come the number and the version, which takes over the
# job's reference to the training data. Last, the job ends. Each part needs the rows of the previous one, so rows are
# locked in the order fit_jobs, series, versions, and the trigger that checks a succeeded job sees the version.
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
                        scores_key, scores_sha256, scores_size, automatic)
  SELECT series_id, last_version, id, attempt, detector, parameters, points,
         :first_timestamp, :last_timestamp, CAST(:learnt AS jsonb), :anomaly_share,
         CAST(:sparkline AS double precision[]), :fit_ms,
         data_key, data_sha256, data_size, :state_key, :state_sha256, :state_size,
         :scores_key, :scores_sha256, :scores_size, api_key_id = :scheduler
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
       v.state_key, v.state_sha256, v.state_size, v.scores_key, v.scores_sha256, v.scores_size, v.created_at,
       v.automatic
"""
_VERSIONS = _COLUMNS + "  FROM versions v"
_ONE = text(_VERSIONS + " WHERE v.series_id = :series_id AND v.version = :version")
_LATEST = text(f"{_COLUMNS}  FROM {latest_rows()} WHERE s.series_id = :series_id")
_STATES = text("""
SELECT series_id, version, state_key, state_sha256, state_size
  FROM unnest(CAST(:series_ids AS text[]), CAST(:versions AS integer[])) AS requested (series_id, version)
  JOIN versions USING (series_id, version)
""")
_PAGE = text(_VERSIONS + " WHERE v.series_id = :series_id AND v.version < :below ORDER BY v.version DESC LIMIT :limit")
_NEIGHBORS = text("""
SELECT (SELECT max(version) FROM versions WHERE series_id = :series_id AND version < :version) AS before,
       (SELECT min(version) FROM versions WHERE series_id = :series_id AND version > :version) AS after
""")

# --- delete -----------------------------------------------------------------------------------------------------------

_DELETE_VERSION = text("DELETE FROM versions WHERE series_id = :series_id AND version = :version RETURNING version")
_PIN_EXISTS = "series_pin_exists"  # the foreign key that prevents the deletion of a pinned version

# Of each given series, keep the newest :keep versions, those younger than :days, and the pinned one. The statement
# locks the rows of series with versions to delete, since a pin set in the meantime would make it fail. It skips a
# series that is being pinned or published to; the next round handles it.
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
# The same for the `keep_versions` of watches, which concerns automatic versions. The highest version stays in any case:
# unless another one is pinned, it is the latest.
_PRUNE_AUTOMATIC = text("""
WITH old AS MATERIALIZED (
  SELECT s.series_id, o.version
    FROM unnest(CAST(:series_ids AS text[]), CAST(:keeps AS integer[])) AS rule (series_id, keep)
    JOIN series s USING (series_id),
         LATERAL (SELECT v.version FROM versions v WHERE v.series_id = s.series_id AND v.automatic
                   ORDER BY v.version DESC OFFSET rule.keep) AS o
   WHERE o.version IS DISTINCT FROM s.pinned_version
     AND EXISTS (SELECT 1 FROM versions n WHERE n.series_id = s.series_id AND n.version > o.version)
     FOR NO KEY UPDATE OF s SKIP LOCKED
)
DELETE FROM versions v USING old WHERE v.series_id = old.series_id AND v.version = old.version
""")


class PinnedError(TsadError):
    """The version is pinned, so it cannot be deleted."""

    def __init__(self, version: int) -> None:
        super().__init__(Code.VERSION_PINNED, f"Version {version} is pinned. Unpin it before you delete it.")


def publish(session: Session, claimed: Claim, new: NewVersion) -> int | None:
    """Publish a version and mark its job as succeeded.

    Return the version's number, or None if the job no longer belongs to this attempt.
    """
    parameters = {
        "job_id": claimed.job_id,
        "attempt": claimed.attempt,
        "first_timestamp": new.first_timestamp,
        "last_timestamp": new.last_timestamp,
        "learnt": json.dumps({**new.learnt, INCIDENTS: new.incidents, SPARKLINE_ANOMALIES: new.sparkline_anomalies}),
        "anomaly_share": new.anomaly_share,
        "sparkline": new.sparkline,
        "fit_ms": new.fit_ms,
        "scheduler": SCHEDULER,
        **columns_of(new.state, "state"),
        **columns_of(new.scores, "scores"),
    }
    number: int | None = session.execute(_PUBLISH, parameters).scalar()
    return number


def find(session: Session, series_id: str, version: int | None) -> Version | None:
    """Return a version, or the latest if `version` is None; return None if it does not exist."""
    if version is None:
        row = session.execute(_LATEST, {"series_id": series_id}).first()
    elif version > LARGEST_VERSION:
        return None
    else:
        row = session.execute(_ONE, {"series_id": series_id, "version": version}).first()
    return _version(row) if row else None


def get(session: Session, series_id: str, version: int | None) -> Version:
    """Return a version, or the latest if `version` is None; raise `NotFoundError` if there is none."""
    if row := find(session, series_id, version):
        return row
    raise missing(session, series_id, version)


def missing(session: Session, series_id: str, version: int | None) -> NotFoundError:
    """Create the error for a missing version, which depends on whether the series has other versions."""
    has_others = version is not None and find(session, series_id, None) is not None
    return version_not_found() if has_others else series_not_found()


def states(session: Session, pairs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Artifact]:
    """Return the artifacts of the states of existing versions. pairs: series ids and version numbers."""
    possible = [(series_id, number) for series_id, number in pairs if number <= LARGEST_VERSION]
    columns = {"series_ids": [series_id for series_id, _ in possible], "versions": [number for _, number in possible]}
    return {(row.series_id, row.version): artifact(row, "state") for row in session.execute(_STATES, columns)}


def page(session: Session, series_id: str, below: int | None, limit: int) -> list[Version]:
    """Return versions of a series, newest first, with numbers below `below`; None starts at the newest."""
    rows = session.execute(
        _PAGE, {"series_id": series_id, "below": LARGEST_VERSION if below is None else below, "limit": limit}
    )
    return [_version(row) for row in rows]


def neighbors(session: Session, series_id: str, version: int) -> tuple[int | None, int | None]:
    """Return the numbers of the previous and the next version; None where there is none."""
    row = session.execute(_NEIGHBORS, {"series_id": series_id, "version": version}).one()
    return row.before, row.after


def delete_version(session: Session, series_id: str, version: int) -> bool:
    """Delete a version; return False if it does not exist. Raise `PinnedError`, which aborts the transaction."""
    if version > LARGEST_VERSION:
        return False
    try:
        return session.execute(_DELETE_VERSION, {"series_id": series_id, "version": version}).first() is not None
    except IntegrityError as error:
        if _PIN_EXISTS in str(error.orig):
            raise PinnedError(version) from None
        raise


def prune_versions(session: Session, series_ids: Sequence[str], keep: int, days: float) -> int:
    """Delete versions older than `days`, except the newest `keep` of a series and the pinned one; return how many."""
    parameters = {"series_ids": list(series_ids), "keep": keep, "days": days}
    return session.execute(_PRUNE_VERSIONS, parameters).rowcount


def prune_automatic(session: Session, keeps: Mapping[str, int]) -> int:
    """Delete automatic versions beyond the newest ones that a series keeps, by series id; return how many."""
    parameters = {"series_ids": list(keeps), "keeps": list(keeps.values())}
    return session.execute(_PRUNE_AUTOMATIC, parameters).rowcount


def _version(row: Row[Any]) -> Version:
    columns = row._asdict()
    for kind in ("data", "state", "scores"):
        columns[kind] = take_artifact(columns, kind)
    stored = {name: columns["learnt"].pop(name, []) for name in (INCIDENTS, SPARKLINE_ANOMALIES)}
    return Version(**columns, **stored)
