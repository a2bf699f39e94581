"""One fit: claim the job, load its data, fit, publish the version. Called by Celery, and directly by tests."""

import logging
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from structlog.contextvars import bound_contextvars

from shared import artifacts as keys
from shared.artifacts import Artifacts
from shared.domain import held_out, incidents, training_scores
from shared.domain.detectors import learn_and_judge, named
from shared.domain.detectors.alarms import interval_of, share_of
from shared.domain.detectors.contract import Fitted
from shared.domain.detectors.parameters import OFF, complete
from shared.domain.detectors.states import encode
from shared.domain.jobs import Claim
from shared.domain.series import Series, Values
from shared.domain.training_scores import TrainingScores
from shared.domain.versions import NewVersion
from shared.errors import Code, DamagedError, FitError, InputError, UnavailableError
from shared.fitting.announcing import announce_next
from shared.fitting.recognizing import recognize
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import attempts, jobs, versions
from shared.store.engine import Sessions, make_engine
from shared.telemetry import Kind, Latencies
from shared.tracing import Tracing
from worker.leasing import Lease, LostError

logger = logging.getLogger(__name__)

RELEASE_BACKOFF_S = 1.0
_OUT_OF_MEMORY = (
    "The worker ran out of memory while it fitted {:,} points. Retry the job after you give the worker more memory or "
    "lower WORKER_CONCURRENCY, or fit fewer points."
)
_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Training:
    """The resources of a fit."""

    sessions: Sessions
    artifacts: Artifacts
    latencies: Latencies
    metrics: Metrics
    announce: Callable[[str], object]  # publishes a job id
    settings: Settings
    worker: str  # name of this worker in jobs
    kill_process: Callable[[], object]  # ends this process if its fit does not stop after the job is lost
    tracing: Tracing | None = None


def run(training: Training, job_id: str) -> None:
    """Fit the job if it can be claimed. Failures are recorded in the job's row, not raised."""
    if not _JOB_ID.fullmatch(job_id):
        logger.warning("dropped a message without a valid job id: %r", job_id[:64])
        return
    began = time.perf_counter()
    try:
        claim = _claim(training, job_id)
    except UnavailableError as error:
        logger.warning("job %s: not claimed, the reconciler will send its message again: %s", job_id, error.detail)
        return
    if claim is None:
        logger.info("job %s: cannot be claimed, dropped its message", job_id)
        return
    with bound_contextvars(job_id=job_id, request_id=claim.request_id or "-"):
        with _traced(training, claim):
            _attempt(training, claim, began)
        announce_next(training.sessions, training.announce, claim.series_id)


def _traced(training: Training, claim: Claim) -> AbstractContextManager[None]:
    if training.tracing is None:
        return nullcontext()
    attributes: dict[str, str | int] = {
        "tsad.job_id": claim.job_id,
        "tsad.detector": claim.detector,
        "tsad.points": claim.points,
    }
    return training.tracing.fit(claim.request_id, attributes)


def _attempt(training: Training, claim: Claim, began: float) -> None:
    """Fit and publish, and store the outcome in the job's row."""
    job_id, outcome = claim.job_id, "released"
    try:
        with Lease(training.sessions, claim, training.settings, training.kill_process) as lease:
            number = _fit_and_publish(training, claim, lease)
    except LostError:
        outcome = "lost"
        logger.info("job %s: attempt %d lost the job", job_id, claim.attempt)
    except UnavailableError as error:
        logger.warning("job %s: requeued: %s", job_id, error.detail)
        _release(training, claim, RELEASE_BACKOFF_S)
    except (InputError, FitError, DamagedError) as error:
        outcome = "failed"
        _fail(training, claim, error.code, error.detail)
    except MemoryError:
        outcome = "failed"
        _fail(training, claim, Code.OUT_OF_MEMORY, _OUT_OF_MEMORY.format(claim.points))
    except Exception:
        outcome = "failed"
        logger.exception("job %s: the detector failed", job_id)
        _fail(training, claim, Code.FIT_FAILED, f"The detector {claim.detector} could not be fitted to these points.")
    except BaseException:  # the worker is shutting down: requeue the job without counting a crash
        _release(training, claim, 0.0)
        raise
    else:
        outcome = "succeeded"
        training.latencies.record(Kind.TRAINING, (time.perf_counter() - began) * 1000)
        logger.info("job %s: published version %d of %s", job_id, number, claim.series_id)
    finally:
        training.metrics.job_seconds.labels(claim.detector, outcome).observe(time.perf_counter() - began)


def _claim(training: Training, job_id: str) -> Claim | None:
    """Claim the job. If that fails, record that its message is consumed, and retry once if the job is still queued.

    The previous job of the series may have ended in between. The process that ended it sent no message, because this
    message was still marked as in flight.
    """
    claim = _try_to_claim(training, job_id)
    if claim is None:
        with training.sessions.statement() as session:
            is_queued = attempts.message_spent(session, job_id)
        claim = _try_to_claim(training, job_id) if is_queued else None
    return claim


def _try_to_claim(training: Training, job_id: str) -> Claim | None:
    with training.sessions.statement() as session:
        return attempts.claim(session, job_id, training.worker, training.settings.lease_s)


def _fit_and_publish(training: Training, claim: Claim, lease: Lease) -> int:
    recognize(training.sessions, training.artifacts.data, training.artifacts.states)
    series = Series.decode(training.artifacts.data.get(claim.data))
    new_version = _learn(training, claim, series, lease)
    return _publish(training, claim, new_version, lease)


def _learn(training: Training, claim: Claim, series: Series, lease: Lease) -> NewVersion:
    detector = named(claim.detector)
    began = time.perf_counter()
    fitted, learned_from, scores = learn_and_judge(detector, series, claim.parameters, lease.progress)
    fit_ms = (time.perf_counter() - began) * 1000
    if scores is None:
        scores = held_out.by_folds(fitted, learned_from, claim.parameters, lease.check)
    scores = held_out.with_excluded(scores, learned_from, fitted, series, lease.check)
    share = training_scores.anomaly_share(scores.score)
    content, suffix = encode(fitted)
    states = training.artifacts.states
    state_key = keys.state_key(claim.series_id, claim.job_id, claim.attempt, suffix)
    scores_key = keys.scores_key(claim.series_id, claim.job_id, claim.attempt)
    most = training_scores.MOST_AUTOMATIC if claim.is_automatic else training_scores.MAX_SCORES
    return NewVersion(
        first_timestamp=int(series.timestamps[0]),
        last_timestamp=int(series.timestamps[-1]),
        learnt={**_learnt(fitted, claim, series, scores.score), "train_anomaly_fraction": share},
        anomaly_share=share,
        sparkline=training_scores.sparkline(series.values),
        fit_ms=round(fit_ms, 3),
        state=states.put(state_key, content),
        scores=states.put(scores_key, TrainingScores.of(scores, most).encode()),
        incidents=incidents.suspected(series, scores),
        sparkline_anomalies=training_scores.sparkline_anomalies(series.values, scores.score),
    )


def _learnt(fitted: Fitted, claim: Claim, series: Series, score: Values) -> dict[str, float | str]:
    """Return the main figures of the state; replace its promise if the training scores refute it."""
    learnt = fitted.learnt()
    rate = complete(fitted.detector.parameters, claim.parameters)["alarm_rate"]
    if "promise" in learnt and rate != OFF:
        share = share_of(rate, interval_of(series.timestamps))
        learnt["promise"] = held_out.checked_promise(str(learnt["promise"]), share, score)
    return learnt


def _publish(training: Training, claim: Claim, new_version: NewVersion, lease: Lease) -> int:
    """Publish the version; return its number, or raise `LostError`.

    If the outcome of the commit is unknown, read the job's row as soon as the database is back.
    """
    while True:
        try:
            with training.sessions.statement() as session:
                number = versions.publish(session, claim, new_version)
        except UnavailableError:
            number = _number_if_published(training, claim, lease)
            if number is None:
                continue
        if number is None:
            training.metrics.fencing_rejections.inc()
            raise LostError
        return number


def _number_if_published(training: Training, claim: Claim, lease: Lease) -> int | None:
    """Wait for the database; return the version's number, or None if it is unpublished and this attempt owns the job.

    Raise `LostError` if the job is lost.
    """
    while True:
        lease.check()
        try:
            with training.sessions.begin() as session:
                job = jobs.find(session, [claim.job_id]).get(claim.job_id)
        except UnavailableError:
            time.sleep(RELEASE_BACKOFF_S)
            continue
        if job is None or job.attempts != claim.attempt or (job.status.is_final and job.version is None):
            raise LostError
        return job.version


def abandon(settings: Settings, job_id: str, worker: str) -> None:
    """Expire the lease of a job whose process died, so that the reconciler requeues the job."""
    sessions = Sessions(make_engine(settings, "tsad-worker"))
    try:
        with sessions.begin() as session:
            attempts.abandon(session, job_id, worker)
    except UnavailableError:
        logger.warning("job %s: its process died, and it stays running until its lease expires", job_id)
    finally:
        sessions.engine.dispose()


def _release(training: Training, claim: Claim, backoff_s: float) -> None:
    try:
        with training.sessions.begin() as session:
            attempts.release(session, claim, backoff_s)
    except UnavailableError:
        logger.warning("job %s: not requeued, it stays running until its lease expires", claim.job_id)


def _fail(training: Training, claim: Claim, code: Code, detail: str) -> None:
    logger.warning("job %s: failed: %s", claim.job_id, detail)
    try:
        with training.sessions.begin() as session:
            attempts.fail(session, claim, code, detail)
    except UnavailableError:
        logger.warning("job %s: failure not stored, it stays running until its lease expires", claim.job_id)
