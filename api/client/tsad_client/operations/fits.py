"""Fit series as jobs."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from tsad_client.answers import BulkResult, JobState
from tsad_client.columns import Data, points_of
from tsad_client.errors import InvalidPointsError
from tsad_client.jobs import job_operation, state_of
from tsad_client.operations.bodies import Moment, body_of, lines_of, moment_of
from tsad_client.running import operation
from tsad_client.sending import Call, Patience, Steps, ask, ask_lines

LINES = "application/x-ndjson"


class Fits:
    """Operations of fits and their jobs."""

    patience: Patience

    @job_operation
    def fit(
        self,
        series_id: str,
        data: Data | None = None,
        *,
        time: str | None = None,
        value: str | None = None,
        stored: str | tuple[Moment, Moment] | None = None,
        detector: str | None = "auto",
        parameters: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[JobState]:
        """Fit a series: learn what is normal for it. `fit(…).wait()` returns the version.

        data: a frame, see `tsad_client.columns.points_of` for `time` and `value`; rows without a value are left out.
        stored: fit the points that were pushed, instead: a duration such as `14d`, or first and last time.
        detector: None for the service's default. The request has an idempotency key, so it is safe to send it again
        if the response is lost; with a key of your own, it also is after a restart of your program.
        """
        if (data is None) == (stored is None):
            raise InvalidPointsError("Pass either points to fit, or stored=… to fit points that were pushed.")
        columns = {} if data is None else _columns(data, time, value)
        if isinstance(stored, tuple):
            columns["stored"] = {"from": moment_of(stored[0]), "to": moment_of(stored[1])}
        elif stored is not None:
            columns["stored"] = stored
        call = Call(
            "POST",
            "/fit/{series_id}",
            {"series_id": series_id},
            headers={"Idempotency-Key": idempotency_key or uuid4().hex},
            content=body_of(**columns, detector=detector, parameters=parameters),
        )
        return (yield from ask(call, JobState, self.patience))

    @operation
    def fit_many(
        self,
        data: Mapping[str, Data],
        *,
        time: str | None = None,
        value: str | None = None,
        detector: str | None = "auto",
        parameters: Mapping[str, Any] | None = None,
    ) -> Steps[list[BulkResult]]:
        """Fit many series in one request. data: a frame for each series id.

        Returns a result for each series, in order: its job, or the problem in its place.
        """
        lines = [
            {
                "series_id": series_id,
                "idempotency_key": uuid4().hex,
                **_columns(frame, time, value),
                "detector": detector,
                "parameters": parameters,
            }
            for series_id, frame in data.items()
        ]
        call = Call("POST", "/fit", content=lines_of(lines), media_type=LINES)
        return (yield from ask_lines(call, BulkResult, self.patience))

    @job_operation
    def refit(
        self,
        series_id: str,
        version: int | str,
        *,
        detector: str | None = "auto",
        parameters: Mapping[str, Any] | None = None,
    ) -> Steps[JobState]:
        """Refit a version on the same points, with another detector or other parameters."""
        call = Call(
            "POST",
            "/series/{series_id}/versions/{version}/fit",
            {"series_id": series_id, "version": str(version)},
            content=body_of(detector=detector, parameters=parameters),
            repeatable=False,
        )
        return (yield from ask(call, JobState, self.patience))

    @job_operation
    def job(self, job_id: str) -> Steps[JobState]:
        """Return a job by its id."""
        return (yield from ask(state_of(job_id), JobState, self.patience))

    @job_operation
    def retry(self, job_id: str) -> Steps[JobState]:
        """Fit the same data again as a new job, after a job has failed or was canceled."""
        call = Call("POST", "/jobs/{job_id}/retry", {"job_id": job_id}, repeatable=False)
        return (yield from ask(call, JobState, self.patience))


def _columns(data: Data, time: str | None, value: str | None) -> dict[str, Any]:
    timestamps, values = points_of(data, time, value).present
    return {"timestamps": timestamps, "values": values}
