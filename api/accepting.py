"""Accepting fits: checked, stored durably, promised; announced only after the promise."""

import hashlib
import json
import logging
import math
import re
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from api.bodies import decode
from api.requests import FitBody
from api.services import Services
from shared.artifacts import data_key
from shared.domain import detectors
from shared.domain.detectors.parameters import complete
from shared.domain.jobs import NewJob, Status
from shared.domain.series import Series
from shared.errors import BusyError, Code, Flaw, InputError, TsadError, UnavailableError
from shared.settings import Settings
from shared.store import jobs
from shared.store.jobs import AcceptedAs

logger = logging.getLogger(__name__)

SETTLE_WITHIN_S = 3.0
RETRY_AFTER_S = 0.2
DRAIN_MEASURED_OVER_S = 60
LONGEST_RETRY_AFTER_S = 600

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_INTEGERS = msgspec.json.Decoder(list[int])
_NUMBERS = msgspec.json.Decoder(list[float])


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit that was asked for and breaks no rule."""

    series_id: str
    points: int
    data: memoryview  # the training data as it is stored
    detector: str
    parameters: dict[str, Any]
    digest: bytes  # of all of the above
    request_id: str
    api_key_id: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job that a fit became, now or when its idempotency key was used first."""

    job_id: str
    series_id: str
    points: int
    status: Status


Outcome = Accepted | TsadError


def columns(body: Any) -> tuple[list[int], "np.ndarray[Any, np.dtype[np.float64]]"]:
    """Decode the two columns of a body, the values straight to an array, so that one list lives at a time."""
    values = np.array(decode(_NUMBERS, body.values, "values"), dtype=np.float64)
    return decode(_INTEGERS, body.timestamps, "timestamps"), values


def read(
    series_id: str, body: FitBody, settings: Settings, request_id: str, api_key_id: str, idempotency_key: str | None
) -> Fit:
    """The fit that a body asks for; `InputError` where a rule is broken."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        reason = "An idempotency key is 1 to 255 visible ASCII characters."
        raise InputError(Code.INVALID_REQUEST, reason, flaws=[Flaw(("idempotency_key",), reason)])
    detector = detectors.named(body.detector)
    parameters = complete(detector.parameters, body.parameters)
    series = Series.for_training(
        *columns(body),
        fewest=max(settings.min_training_data_points, detector.min_points),
        most=settings.max_training_data_points,
    )
    learnable = series.without(parameters["exclude"])
    if learnable is not series:
        _check_rest(len(learnable), len(series), detector.min_points)
        learnable.check_learnable(detector.min_points)
    detector.check(learnable, parameters)
    data = series.encode()
    return Fit(
        series_id=series_id,
        points=len(series),
        data=data,
        detector=detector.name,
        parameters=parameters,
        digest=_digest(series_id, detector.name, parameters, data),
        request_id=request_id,
        api_key_id=api_key_id,
        idempotency_key=idempotency_key,
    )


def _check_rest(rest: int, points: int, fewest: int) -> None:
    """Raise `InputError` where the windows to exclude leave too little."""
    if rest < min(points, fewest):
        reason = f"The windows leave {rest:,} of {points:,} points to learn from: at least {fewest:,} are needed."
        raise InputError(Code.TOO_FEW_POINTS, reason, flaws=[Flaw(("parameters", "exclude"), reason)])


def accept(services: Services, fits: Sequence[Fit]) -> list[Outcome]:
    """Store the training data and the jobs of at most `ACCEPT_AT_MOST` fits; tell the workers.

    What waits for the disk: each file, and its folder's entry, several beside each other; then one COMMIT for all jobs,
    a single statement, which is the promise. Asking whether there is room writes nothing.

    One outcome for each fit, in their order. What is returned as accepted is durable. `UnavailableError` when none is.
    """
    outcomes: dict[int, Outcome] = _repeated(services, fits)
    new = [place for place in range(len(fits)) if place not in outcomes]
    outcomes |= _over_quota(services, {place: fits[place].api_key_id for place in new})
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


def admit(services: Services, wanted: int) -> tuple[datetime, int]:
    """When the accept window of these fits began, and how many of them the queue has room for."""
    most_jobs, most_bytes = services.settings.max_queued_jobs, services.settings.max_queued_bytes
    with services.sessions.statement() as session:
        admission = jobs.admission(session, most_jobs)
    room = most_jobs - admission.open_jobs if admission.open_bytes < most_bytes else 0
    return admission.asked_at, min(max(room, 0), wanted)


def check_quota(services: Services, api_key_id: str) -> None:
    """Raise `BusyError` when the key has as many open jobs as it may."""
    for refusal in _over_quota(services, {0: api_key_id}).values():
        raise refusal


def _over_quota(services: Services, owners: Mapping[int, str]) -> dict[int, BusyError]:
    """The refusals, by place, where keys would have more open jobs than they may."""
    most = services.settings.max_queued_jobs_per_key
    if not (most and owners):
        return {}
    with services.sessions.begin() as session:
        taken = Counter(jobs.open_of_keys(session, set(owners.values())))
    refused = {}
    for place, key_id in owners.items():
        taken[key_id] += 1
        if taken[key_id] > most:
            sentence = f"This key has {most:,} open jobs, which is as many as it may. Those are unaffected."
            refused[place] = BusyError(Code.QUEUE_FULL, sentence, retry_after_s=5)
    return refused


def queue_full(services: Services) -> BusyError:
    """The refusal, with the time that a twentieth of the queue takes at the pace of the last minute."""
    with services.sessions.begin() as session:
        waiting = jobs.admission(session, services.settings.max_queued_jobs).open_jobs
        finished = jobs.finished_lately(session, DRAIN_MEASURED_OVER_S)
    wait_s = math.ceil(waiting / 20 * DRAIN_MEASURED_OVER_S / max(finished, 1))
    return BusyError(
        Code.QUEUE_FULL,
        f"{waiting:,} fits are waiting already: as many, or with as much data, as may. Those are unaffected.",
        retry_after_s=min(max(wait_s, 1), LONGEST_RETRY_AFTER_S),
    )


def _repeated(services: Services, fits: Sequence[Fit]) -> dict[int, Outcome]:
    """What became of fits whose idempotency key was used before, also when the queue is full by now."""
    keys = sorted({(fit.api_key_id, fit.idempotency_key) for fit in fits if fit.idempotency_key})
    if not keys:
        return {}
    with services.sessions.statement() as session:
        known = jobs.accepted_by_key(session, keys)
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
                inserted = jobs.accept(session, new, services.settings.accept_window_s)
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
        return {job.job_id: jobs.accepted_as(session, job) for job in refused}


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


def _digest(series_id: str, detector: str, parameters: dict[str, Any], data: memoryview) -> bytes:
    request = [series_id, detector, parameters, hashlib.sha256(data).hexdigest()]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
