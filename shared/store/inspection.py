"""Figures of the installation for operators: the queue, the artifacts that rows refer to, the clock."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from shared.domain.versions import Artifact
from shared.store.artifact_columns import artifact
from shared.store.engine import Session

Clock = Callable[[Session], datetime]  # `clock`, or a clock that a test moves

_CLOCK = text("SELECT clock_timestamp()")
_QUEUE = text("""
SELECT count(*) FILTER (WHERE status = 'queued') AS queued,
       count(*) FILTER (WHERE status = 'running') AS running,
       count(*) FILTER (WHERE status = 'running' AND lease_until < clock_timestamp()) AS expired,
       coalesce(sum(data_size), 0) AS bytes,
       coalesce(extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE status = 'queued')), 0)
         AS oldest_queued_s
  FROM fit_jobs WHERE status IN ('queued', 'running')
""")
_HOLDINGS = text("""
SELECT count(*) AS versions, coalesce(sum(data_size), 0) AS data_bytes,
       coalesce(sum(state_size), 0) AS state_bytes, coalesce(sum(scores_size), 0) AS scores_bytes
  FROM versions
""")
_WATCHING = text("""
SELECT count(*) AS streams, count(*) FILTER (WHERE silence IS NOT NULL) AS silent,
       count(*) FILTER (WHERE fit_due_at < clock_timestamp() - make_interval(secs => :late_s)) AS late_fits,
       coalesce(sum(points), 0) AS pushed,
       (SELECT count(*) FROM alerts WHERE status = 'open') AS open_alerts,
       (SELECT count(*) FROM streams WHERE deleted_at IS NOT NULL) AS deleted
  FROM streams WHERE deleted_at IS NULL
""")
_DATA_OF_JOBS = text("""
SELECT CAST(id AS text) AS job_id, data_key, data_sha256, data_size FROM fit_jobs
 WHERE data_key IS NOT NULL AND id > CAST(:after AS uuid) ORDER BY id LIMIT :limit
""")
_OF_VERSIONS = text("""
SELECT series_id, version, data_key, data_sha256, data_size, state_key, state_sha256, state_size,
       scores_key, scores_sha256, scores_size
  FROM versions WHERE (series_id, version) > (:series_id, :version) ORDER BY series_id, version LIMIT :limit
""")
_FIRST_ID = "00000000-0000-0000-0000-000000000000"
_ROWS_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class Queue:
    """Figures of the open jobs."""

    queued: int
    running: int
    expired: int  # running jobs whose lease has expired
    bytes: int  # of training data
    oldest_queued_s: float


@dataclass(frozen=True, slots=True)
class Holdings:
    """Figures of all versions together."""

    versions: int
    data_bytes: int  # data that two versions share counts twice
    state_bytes: int
    scores_bytes: int


@dataclass(frozen=True, slots=True)
class Watching:
    """Figures of all streams and alerts together."""

    streams: int
    silent: int
    late_fits: int  # automatic fits that nobody has requested yet, though they have been due for a while
    pushed: int  # points, ever
    open_alerts: int
    deleted: int  # streams whose points are being deleted


@dataclass(frozen=True, slots=True)
class Reference:
    """An artifact that a row refers to."""

    artifact: Artifact
    owner: str  # shown to people, such as "version 3 of cpu"
    of_state: bool = False  # whether it is a state or training scores; else it is training data


def clock(session: Session) -> datetime:
    """Read the database's clock."""
    now: datetime = session.execute(_CLOCK).scalar_one()
    return now


def queue(session: Session) -> Queue:
    """Return the figures of the open jobs."""
    row = session.execute(_QUEUE).one()
    return Queue(row.queued, row.running, row.expired, int(row.bytes), float(row.oldest_queued_s))


def holdings(session: Session) -> Holdings:
    """Return the number of versions and the bytes they refer to; scans the whole table."""
    row = session.execute(_HOLDINGS).one()
    return Holdings(row.versions, int(row.data_bytes), int(row.state_bytes), int(row.scores_bytes))


def watching(session: Session, late_s: float = 600) -> Watching:
    """Return the figures of streams and alerts; scans all streams."""
    row = session.execute(_WATCHING, {"late_s": late_s}).one()
    return Watching(row.streams, row.silent, row.late_fits, int(row.pushed), row.open_alerts, row.deleted)


def references(session: Session) -> Iterator[Reference]:
    """Yield every artifact that a row refers to, versions first; an artifact of two rows appears twice."""
    yield from _references_of_versions(session)
    yield from _references_of_jobs(session)


def _references_of_versions(session: Session) -> Iterator[Reference]:
    series_id, version = "", 0
    while True:
        after = {"series_id": series_id, "version": version, "limit": _ROWS_AT_A_TIME}
        rows = session.execute(_OF_VERSIONS, after).all()
        if not rows:
            return
        for row in rows:
            owner = f"version {row.version} of {row.series_id}"
            yield Reference(artifact(row, "data"), owner)
            yield Reference(artifact(row, "state"), owner, of_state=True)
            yield Reference(artifact(row, "scores"), owner, of_state=True)
        series_id, version = rows[-1].series_id, rows[-1].version


def _references_of_jobs(session: Session) -> Iterator[Reference]:
    job_id = _FIRST_ID
    while True:
        rows = session.execute(_DATA_OF_JOBS, {"after": job_id, "limit": _ROWS_AT_A_TIME}).all()
        if not rows:
            return
        for row in rows:
            yield Reference(artifact(row, "data"), f"job {row.job_id}")
        job_id = rows[-1].job_id
