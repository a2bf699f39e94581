"""Lookups of jobs, versions and watches by the ids and names in a path."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path
from pydantic import WithJsonSchema

from api.schemas.parameters import JOB_ID_SCHEMA
from api.services import Services
from shared.domain.access import Caller
from shared.domain.jobs import Job
from shared.domain.versions import SeriesSummary, Version, series_not_found
from shared.domain.watching.watches import Watch, check_name
from shared.errors import Code, NotFoundError
from shared.store import jobs, versions, watches
from shared.store.engine import Session
from shared.store.streams import Stream


def _job_id(job_id: Annotated[str, Path(description="Id of the job"), WithJsonSchema(JOB_ID_SCHEMA)]) -> str:
    try:
        return str(UUID(job_id))
    except ValueError:
        raise _job_not_found() from None


JobId = Annotated[str, Depends(_job_id)]


def _watch_name(name: str) -> str:
    return check_name(name)


WatchName = Annotated[str, Depends(_watch_name)]


def find_job(services: Services, caller: Caller, job_id: str) -> Job:
    """Return the job; raise `NotFoundError` if there is none, or if the caller's key does not see its series."""
    with services.sessions.begin() as session:
        job = jobs.find(session, [job_id]).get(job_id)
    if job is None or not caller.sees(job.series_id):
        raise _job_not_found()
    return job


def find_version(services: Services, series_id: str, version: int | None) -> Version:
    """Return the version, the latest for None; `NotFoundError` says whether the series or the version is missing."""
    with services.sessions.begin() as session:
        return versions.get(session, series_id, version)


def find_watch(session: Session, caller: Caller, name: str) -> Watch:
    """Return the watch; raise `NotFoundError` if there is none, or if the caller's key does not see all its series."""
    watch = watches.find(session, name)
    if not caller.sees(watch.prefix):
        raise watches.not_found()
    return watch


def check_exists(session: Session, series_id: str, summary: SeriesSummary | None, stream: Stream | None) -> None:
    """Raise `NotFoundError` for a series without versions and points, unless one of its jobs still has data to fit.

    A series with none of these was never fitted, or was deleted.
    """
    if summary is None and stream is None and not jobs.any_holds_data(session, series_id):
        raise series_not_found()


def _job_not_found() -> NotFoundError:
    return NotFoundError(Code.JOB_NOT_FOUND, "There is no such job. Finished jobs are deleted after KEEP_JOBS_DAYS.")
