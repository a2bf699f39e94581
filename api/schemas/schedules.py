"""Bodies of responses about automatic fits of a series."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Struct

from api.schemas.jobs import JobId, Moment, one_of
from shared.domain.watching.watches import Watch
from shared.store.scheduled import Outcome, Scheduled

EARLIEST = 10**8  # a smaller slot is a number of points, a larger one a time


class LastFitAnswer(Struct):
    """The newest slot that was settled, and what became of it."""

    slot: Moment | None  # null: the series had grown to `at_points`
    at_points: int | None
    outcome: Annotated[str, one_of(*Outcome)]
    reason: str | None
    settled_at: Moment | None
    job_id: JobId | None


class ScheduleAnswer(Struct):
    """When a series is fitted automatically, and what became of the last fit."""

    series_id: str
    watch: str | None
    window: str | None
    timezone: str | None
    refit: dict[str, str | None] | str | None
    next_fit_at: Moment | None
    fit_at_points: int | None
    points: int
    failures: int
    last: LastFitAnswer | None

    @classmethod
    def of(cls, stream: Scheduled, watch: Watch | None, job_id: str | None) -> "ScheduleAnswer":
        """Convert the schedule of a stream. job_id: the job of the newest slot, unless its row was deleted."""
        document = watch.document() if watch else {}
        return cls(
            series_id=stream.series_id,
            watch=watch.name if watch else None,
            window=document.get("window"),
            timezone=document.get("timezone"),
            refit=document.get("refit"),
            next_fit_at=stream.fit_due_at,
            fit_at_points=stream.fit_at_points or None,
            points=stream.points,
            failures=stream.fit_failures,
            last=_last(stream, job_id),
        )


def _last(stream: Scheduled, job_id: str | None) -> LastFitAnswer | None:
    slot, outcome = stream.fit_slot, stream.fit_outcome
    if slot is None or outcome is None:
        return None
    is_time = slot >= EARLIEST
    return LastFitAnswer(
        slot=datetime.fromtimestamp(slot, UTC) if is_time else None,
        at_points=None if is_time else slot,
        outcome=outcome,
        reason=stream.fit_detail,
        settled_at=stream.fit_settled_at,
        job_id=job_id,
    )
