"""Accepting fits: stored durably, promised; announced only after the promise."""

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.fitting.admitting import admit, over_quota, queue_full
from api.fitting.decoding import Fit
from api.services import Services
from shared.artifacts import data_key
from shared.domain.jobs import NewJob, Status
from shared.errors import Code, InputError, TsadError, UnavailableError
from shared.store import admissions
from shared.store.admissions import AcceptedAs

logger = logging.getLogger(__name__)

SETTLE_WITHIN_S = 3.0
RETRY_AFTER_S = 0.2


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job that a fit became, now or when its idempotency key was used first."""

    job_id: str
    series_id: str
    points: int
    status: Status


Outcome = Accepted | TsadError


def accept(services: Services, fits: Sequence[Fit]) -> list[Outcome]:
    """Store the training data and the jobs of at most `ACCEPT_AT_MOST` fits; tell the workers.

    What waits for the disk: each file, and its folder's entry, several beside each other; then one COMMIT for all jobs,
    a single statement, which is the promise. Asking whether there is room writes nothing.

    One outcome for each fit, in their order. What is returned as accepted is durable. `UnavailableError` when none is.
    """
    outcomes: dict[int, Outcome] = _repeated(services, fits)
    new = [place for place in range(len(fits)) if place not in outcomes]
    outcomes |= over_quota(services, {place: fits[place].api_key_id for place in new})
    new = [place for place in new if place not in outcomes]
    if new:
        asked_at, room = admit(services, len(new))
        refusal = queue_full(services) if room < len(new) else None
        if refusal:
            outcomes |= dict.fromkeys(new[room:], refusal)
        written = services.writers.map(lambda place: _with_data(services, fits[place], asked_at), new[:room])
        stored: dict[int, NewJob] = {}
        for place, job in zip(new[:room], written, strict=True):
            if isinstance(job, NewJob):
                stored[place] = job
            else:
                outcomes[place] = job
        outcomes |= dict(zip(stored, _insert(services, list(stored.values())), strict=True))
        for place in stored:
            if isinstance(outcome := outcomes[place], Accepted):
                own = {"request_id": fits[place].request_id, "job_id": outcome.job_id}
                logger.info("job %s of %s is accepted", outcome.job_id, outcome.series_id, extra=own)
                services.announcer.announce(outcome.job_id)
    return [outcomes[place] for place in range(len(fits))]


def _repeated(services: Services, fits: Sequence[Fit]) -> dict[int, Outcome]:
    """What became of fits whose idempotency key was used before, also when the queue is full by now."""
    keys = sorted({(fit.api_key_id, fit.idempotency_key) for fit in fits if fit.idempotency_key})
    if not keys:
        return {}
    with services.sessions.statement() as session:
        known = admissions.accepted_by_key(session, keys)
    return {
        place: _as_accepted(known[key], fit.digest, fit.series_id, fit.points)
        for place, fit in enumerate(fits)
        if (key := (fit.api_key_id, fit.idempotency_key)) in known
    }


def _as_accepted(known: AcceptedAs, digest: bytes, series_id: str, points: int) -> Outcome:
    if known.request_sha256 == digest:
        return Accepted(known.job_id, series_id, points, known.status)
    return InputError(
        Code.IDEMPOTENCY_KEY_REUSED,
        "This idempotency key was used for another series, detector, other parameters or other points.",
    )


def _with_data(services: Services, fit: Fit, asked_at: datetime) -> NewJob | UnavailableError:
    job_id = str(uuid.uuid4())
    try:
        data = services.artifacts.data.put(data_key(fit.series_id, job_id), fit.data)
    except UnavailableError as error:
        return error
    return NewJob(
        job_id=job_id,
        series_id=fit.series_id,
        detector=fit.detector,
        parameters=fit.parameters,
        points=fit.points,
        data_key=data.key,
        data_sha256=data.sha256,
        data_size=data.size,
        request_sha256=fit.digest,
        asked_at=asked_at,
        request_id=fit.request_id,
        api_key_id=fit.api_key_id,
        idempotency_key=fit.idempotency_key,
    )


def _insert(services: Services, new: Sequence[NewJob]) -> list[Outcome]:
    """Insert the jobs. When nobody knows whether that was committed, inserting the same ids again tells."""
    deadline = time.monotonic() + SETTLE_WITHIN_S
    unknown = False
    while new:
        try:
            with services.sessions.statement() as session:
                inserted = admissions.accept(session, new, services.settings.accept_window_s)
            others = _others(services, [job for job in new if job.job_id not in inserted])
            return [_inserted(services, job, others) for job in new]
        except UnavailableError as error:
            if time.monotonic() > deadline:
                if unknown:
                    raise _outcome_unknown() from error
                raise
            unknown = True
            time.sleep(RETRY_AFTER_S)
    return []


def _others(services: Services, refused: Sequence[NewJob]) -> dict[str, AcceptedAs | None]:
    """What stands where jobs were not inserted."""
    if not refused:
        return {}
    with services.sessions.begin() as session:
        return {job.job_id: admissions.accepted_as(session, job) for job in refused}


def _inserted(services: Services, job: NewJob, others: Mapping[str, AcceptedAs | None]) -> Outcome:
    if job.job_id not in others:
        return Accepted(job.job_id, job.series_id, job.points, Status.QUEUED)
    if known := others[job.job_id]:
        return _as_accepted(known, job.request_sha256, job.series_id, job.points)
    window_s = services.settings.accept_window_s
    return UnavailableError(
        Code.ACCEPT_TOO_LATE, f"The job was not stored within {window_s:g} s. Try again.", retry_after_s=1
    )


def _outcome_unknown() -> UnavailableError:
    return UnavailableError(
        Code.OUTCOME_UNKNOWN,
        "The database was lost while the job was stored: it may have been accepted or not. The same request with the "
        "same Idempotency-Key tells; without one, GET /series/{series_id} shows the last job.",
        retry_after_s=5,
    )
