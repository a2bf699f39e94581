"""Accepting a fit: checked, stored durably, promised; announced only after the promise."""

import hashlib
import json
import math
import time
import uuid
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
from shared.domain.jobs import NewJob
from shared.domain.series import Series
from shared.errors import BusyError, Code, UnavailableError
from shared.settings import Settings
from shared.store import jobs

SETTLE_WITHIN_S = 3.0
RETRY_AFTER_S = 0.2
DRAIN_MEASURED_OVER_S = 60
LONGEST_RETRY_AFTER_S = 600

_BODY = msgspec.json.Decoder(FitBody)
_INTEGERS = msgspec.json.Decoder(list[int])
_NUMBERS = msgspec.json.Decoder(list[float])


def columns(body: Any) -> tuple[list[int], "np.ndarray[Any, np.dtype[np.float64]]"]:
    """Decode the two columns of a body, the values straight to an array, so that one list lives at a time."""
    values = np.array(decode(_NUMBERS, body.values, "values"), dtype=np.float64)
    return decode(_INTEGERS, body.timestamps, "timestamps"), values


def read(content: bytes, settings: Settings) -> tuple[Series, str, dict[str, Any]]:
    """The series, detector and complete parameters that the body asks for; `InputError` where a rule is broken."""
    body = decode(_BODY, content)
    detector = detectors.named(body.detector)
    parameters = complete(detector.parameters, body.parameters)
    series = Series.for_training(
        *columns(body),
        fewest=max(settings.min_training_data_points, detector.min_points),
        most=settings.max_training_data_points,
    )
    return series, detector.name, parameters


def accept(services: Services, series_id: str, content: bytes, request_id: str) -> NewJob:
    """Store the training data and the job; what is returned is durable. Then have the worker told."""
    series, detector, parameters = read(content, services.settings)
    asked_at = _admit(services)
    job_id = str(uuid.uuid4())
    data = services.artifacts.data.put(data_key(series_id, job_id), series.encode())
    job = NewJob(
        job_id=job_id,
        series_id=series_id,
        detector=detector,
        parameters=parameters,
        points=len(series),
        data_key=data.key,
        data_sha256=data.sha256,
        data_size=data.size,
        request_sha256=_digest(series_id, detector, parameters, data.sha256),
        asked_at=asked_at,
        request_id=request_id,
    )
    _store(services, job)
    services.announcer.announce(job_id)
    return job


def _admit(services: Services) -> datetime:
    """When the accept window of this request began; `BusyError` with the queue full."""
    most_jobs, most_bytes = services.settings.max_queued_jobs, services.settings.max_queued_bytes
    with services.sessions.begin() as session:
        admission = jobs.admission(session, most_jobs)
        if admission.open_jobs < most_jobs and admission.open_bytes < most_bytes:
            return admission.asked_at
        finished = jobs.finished_lately(session, DRAIN_MEASURED_OVER_S)
    # at the pace of the last minute, the time until a twentieth of the queue is free
    wait_s = math.ceil(admission.open_jobs / 20 * DRAIN_MEASURED_OVER_S / max(finished, 1))
    raise BusyError(
        Code.QUEUE_FULL,
        f"{admission.open_jobs:,} fits are waiting already, which is as many as may. Those are unaffected.",
        retry_after_s=min(max(wait_s, 1), LONGEST_RETRY_AFTER_S),
    )


def _store(services: Services, job: NewJob) -> None:
    """Insert the job. When nobody knows whether that was committed, inserting the same id again tells."""
    window_s = services.settings.accept_window_s
    deadline = time.monotonic() + SETTLE_WITHIN_S
    unknown = False
    while True:
        try:
            with services.sessions.begin() as session:
                if jobs.accept(session, [job], window_s):
                    return
                known = jobs.accepted_as(session, job)
        except UnavailableError as error:
            if time.monotonic() > deadline:
                if unknown:
                    raise _outcome_unknown() from error
                raise
            unknown = True
            time.sleep(RETRY_AFTER_S)
            continue
        if known is None:
            raise UnavailableError(
                Code.ACCEPT_TOO_LATE, f"The job was not stored within {window_s:g} s. Try again.", retry_after_s=1
            )
        return


def _outcome_unknown() -> UnavailableError:
    return UnavailableError(
        Code.OUTCOME_UNKNOWN,
        "The database was lost while the job was stored: it may have been accepted or not. "
        "GET /series/{series_id} shows its last job once the database is back.",
        retry_after_s=5,
    )


def _digest(series_id: str, detector: str, parameters: dict[str, Any], data_sha256: bytes) -> bytes:
    request = json.dumps([series_id, detector, parameters, data_sha256.hex()], sort_keys=True)
    return hashlib.sha256(request.encode()).digest()
