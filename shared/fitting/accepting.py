"""Accept fits: store data and job durably, and announce the job only after that."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

from shared.artifacts import Store, data_key
from shared.domain.jobs import NewJob, Status
from shared.domain.versions import version_not_found
from shared.errors import Code, InputError, TsadError, UnavailableError
from shared.fitting.admitting import admit, over_quota, queue_full
from shared.fitting.checking import Fit, Stored
from shared.fitting.recognizing import recognize
from shared.settings import Settings
from shared.store import admissions
from shared.store.admissions import ExistingJob
from shared.store.engine import Sessions

logger = logging.getLogger(__name__)

COMMIT_RETRY_S = 3.0
RETRY_AFTER_S = 0.2


@dataclass(frozen=True, slots=True)
class Acceptor:
    """Resources that a process needs to accept fits."""

    sessions: Sessions
    data: Store
    writers: Executor  # writes training data in parallel: each file waits for the disk
    announce: Callable[[str], object]  # publishes a job id, after the commit
    settings: Settings


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job of a fit, either new or from an earlier identical request."""

    job_id: str
    series_id: str
    points: int
    status: Status
    is_new: bool


Outcome = Accepted | TsadError


def accept(acceptor: Acceptor, fits: Sequence[Fit]) -> list[Outcome]:
    """Store the training data and the jobs of at most `MAX_JOBS_PER_ACCEPT` fits, then announce the jobs.

    Two steps wait for the disk. First, threads sync the files and their directory entries in parallel. Then one
    statement inserts all jobs, and its COMMIT makes the acceptance durable. The check for room in the queue only reads.

    Return one outcome for each fit, in their order; an accepted fit is durable. Raise `UnavailableError` if the
    database is unavailable; its code is `outcome_unknown` if jobs may have been stored.
    """
    outcomes: dict[int, Outcome] = _outcomes_of_repeated(acceptor, fits)
    new = [index for index in range(len(fits)) if index not in outcomes]
    owners = {index: fits[index].origin.api_key_id for index in new}
    outcomes |= over_quota(acceptor.sessions, acceptor.settings, owners)
    new = [index for index in new if index not in outcomes]
    if new:
        outcomes |= _store_new(acceptor, {index: fits[index] for index in new})
    return [outcomes[index] for index in range(len(fits))]


def accept_one(acceptor: Acceptor, fit: Fit) -> Accepted:
    """Accept one fit, or raise the error that rejects it."""
    (outcome,) = accept(acceptor, [fit])
    if isinstance(outcome, TsadError):
        raise outcome
    return outcome


def _store_new(acceptor: Acceptor, fits: Mapping[int, Fit]) -> dict[int, Outcome]:
    """Store new fits; return their outcomes by index."""
    outcomes: dict[int, Outcome] = {}
    recognize(acceptor.sessions, acceptor.data)
    admitted_at, room = admit(acceptor.sessions, acceptor.settings, len(fits))
    admitted, rejected = list(fits)[:room], list(fits)[room:]
    if rejected:
        outcomes |= dict.fromkeys(rejected, queue_full(acceptor.sessions, acceptor.settings))
    jobs: dict[int, NewJob] = {}

    def new_job(index: int) -> NewJob | UnavailableError:
        return _new_job(acceptor, fits[index], admitted_at)

    for index, job in zip(admitted, acceptor.writers.map(new_job, admitted), strict=True):
        if isinstance(job, NewJob):
            jobs[index] = job
        else:
            outcomes[index] = job
    outcomes |= dict(zip(jobs, _insert(acceptor, list(jobs.values())), strict=True))
    for index in jobs:
        if isinstance(accepted := outcomes[index], Accepted):
            context = {"request_id": fits[index].origin.request_id, "job_id": accepted.job_id}
            logger.info("job %s of %s accepted", accepted.job_id, accepted.series_id, extra=context)
            acceptor.announce(accepted.job_id)
    return outcomes


def _outcomes_of_repeated(acceptor: Acceptor, fits: Sequence[Fit]) -> dict[int, Outcome]:
    """Return the outcomes, by index, of fits whose idempotency key was used before, even if the queue is full."""
    keys = {
        index: (fit.origin.api_key_id, fit.origin.idempotency_key)
        for index, fit in enumerate(fits)
        if fit.origin.idempotency_key
    }
    if not keys:
        return {}
    with acceptor.sessions.statement() as session:
        existing = admissions.existing_by_key(session, sorted(set(keys.values())))
    return {index: _outcome_of_existing(existing[key], fits[index]) for index, key in keys.items() if key in existing}


def _outcome_of_existing(existing: ExistingJob, requested: Fit | NewJob) -> Outcome:
    """Return the existing job if it has the same request, else the error for a reused idempotency key."""
    if existing.request_sha256 == requested.request_sha256:
        return _accepted(existing, requested)
    return InputError(
        Code.IDEMPOTENCY_KEY_REUSED,
        "This idempotency key was already used for a different series, detector, parameters or points. Use a new one.",
    )


def _accepted(existing: ExistingJob, requested: Fit | NewJob) -> Accepted:
    return Accepted(existing.job_id, requested.series_id, requested.points, existing.status, is_new=existing.same_id)


def _new_job(acceptor: Acceptor, fit: Fit, admitted_at: datetime) -> NewJob | UnavailableError:
    """Return the job to insert, after writing its training data to the store unless it is there already."""
    job_id = str(uuid.uuid4())
    stored = fit.data
    if not isinstance(stored, Stored):
        try:
            stored = Stored(acceptor.data.put(data_key(fit.series_id, job_id), stored))
        except UnavailableError as error:
            return error
    return NewJob(
        job_id=job_id,
        series_id=fit.series_id,
        detector=fit.detector,
        parameters=fit.parameters,
        points=fit.points,
        data=stored.artifact,
        request_sha256=fit.request_sha256,
        admitted_at=admitted_at,
        request_id=fit.origin.request_id,
        api_key_id=fit.origin.api_key_id,
        idempotency_key=fit.origin.idempotency_key,
        of_version=stored.of_version,
        retry_of=stored.retry_of,
    )


def _insert(acceptor: Acceptor, jobs: Sequence[NewJob]) -> list[Outcome]:
    """Insert the jobs. If the outcome of the commit is unknown, insert the same ids again to find out."""
    deadline = time.monotonic() + COMMIT_RETRY_S
    unknown = False
    while jobs:
        try:
            with acceptor.sessions.statement() as session:
                inserted = admissions.accept(session, jobs, acceptor.settings.accept_window_s)
            conflicts = _conflicts(acceptor, [job for job in jobs if job.job_id not in inserted])
            return [_outcome_of_insert(acceptor, job, conflicts) for job in jobs]
        except UnavailableError as error:
            if time.monotonic() > deadline:
                if unknown:
                    raise _outcome_unknown() from error
                raise
            unknown = True
            time.sleep(RETRY_AFTER_S)
    return []


def _conflicts(acceptor: Acceptor, rejected: Sequence[NewJob]) -> dict[str, ExistingJob | None]:
    """Return, for each job that was not inserted, the existing job that prevented it, if any."""
    if not rejected:
        return {}
    with acceptor.sessions.begin() as session:
        return {job.job_id: admissions.existing_job(session, job) for job in rejected}


def _outcome_of_insert(acceptor: Acceptor, job: NewJob, conflicts: Mapping[str, ExistingJob | None]) -> Outcome:
    if job.job_id not in conflicts:
        return Accepted(job.job_id, job.series_id, job.points, Status.QUEUED, is_new=True)
    if existing := conflicts[job.job_id]:
        return _accepted(existing, job) if job.retry_of else _outcome_of_existing(existing, job)
    if job.of_version is not None:
        return version_not_found()
    if job.retry_of is not None:
        return data_gone()
    window_s = acceptor.settings.accept_window_s
    return UnavailableError(
        Code.ACCEPT_TOO_LATE, f"The job was not stored within {window_s:g} s. Try again.", retry_after_s=1
    )


def data_gone() -> TsadError:
    """Create the error for a job whose training data was deleted, after KEEP_DATA_DAYS or with its series."""
    return TsadError(
        Code.DATA_GONE,
        "The training data of this job was deleted, after KEEP_DATA_DAYS or with its series. Send the fit again.",
    )


def _outcome_unknown() -> UnavailableError:
    return UnavailableError(
        Code.OUTCOME_UNKNOWN,
        "The database connection was lost while the job was being stored, so it may or may not have been accepted. "
        "Repeat the request with the same Idempotency-Key; without one, GET /series/{series_id} shows the last job.",
        retry_after_s=5,
    )
