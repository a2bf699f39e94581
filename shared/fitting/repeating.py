"""Fit stored data again: a version's data with another method, or a failed job unchanged."""

from functools import partial

from shared.domain.jobs import Job, Status
from shared.domain.series import Series
from shared.domain.versions import Version
from shared.errors import Code, TsadError
from shared.fitting.accepting import Accepted, Acceptor, accept_one, data_gone
from shared.fitting.checking import Columns, Method, Origin, Stored, check
from shared.store import admissions


def fit_again(acceptor: Acceptor, version: Version, method: Method, origin: Origin) -> Accepted:
    """Accept a fit of the points that the version was fitted on; raise any error of `check` and `accept`."""
    return _accept_stored(acceptor, version.series_id, Stored(version.data, of_version=version.version), method, origin)


def retry(acceptor: Acceptor, job: Job, origin: Origin) -> Accepted:
    """Accept the job's data as a new job, or return the open retry if there is one.

    Raise `TsadError` if the job neither failed nor was canceled, or its data was deleted.
    """
    with acceptor.sessions.begin() as session:
        open_retry = admissions.open_retry(session, job.job_id)
    if open_retry:
        acceptor.announce(open_retry.job_id)  # now, in case Redis lost the earlier message
        return Accepted(open_retry.job_id, job.series_id, job.points, open_retry.status, is_new=False)
    if job.status not in (Status.FAILED, Status.CANCELLED):
        message = f"Only failed and canceled jobs can be retried; the status of this job is {job.status}."
        raise TsadError(Code.JOB_NOT_RETRYABLE, message)
    if job.data is None:
        raise data_gone()
    method = Method.of(job.detector, job.parameters)
    return _accept_stored(acceptor, job.series_id, Stored(job.data, retry_of=job.job_id), method, origin)


def _accept_stored(acceptor: Acceptor, series_id: str, stored: Stored, method: Method, origin: Origin) -> Accepted:
    fit = check(series_id, partial(_read_columns, acceptor, stored), method, origin, acceptor.settings, stored)
    return accept_one(acceptor, fit)


def _read_columns(acceptor: Acceptor, stored: Stored) -> Columns:
    series = Series.decode(acceptor.data.get(stored.artifact))
    return series.timestamps, series.values
