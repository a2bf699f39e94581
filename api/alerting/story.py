"""The story of one alert: what, since when, how bad, what else, and whether it happened before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.alerting.rows import Row, rows_of
from api.alerting.times import MOST_STEPS, end_of, span_of, step_of
from api.charts.fluid import FluidChart, chart
from api.charts.sparks import Spark, score_track
from api.charts.stored import excerpt, thinned
from shared.domain.series import WEEK_S
from shared.domain.watching.alerts import Kind
from shared.store import keys, overviews, points
from shared.store.alerts import StoredAlert
from shared.store.engine import Session
from shared.store.outlines import Newest, Window, newest, outlines
from shared.store.overviews import Earlier, Notified, SilentPart
from shared.wording import readable

SHOWN_POINTS, SHOWN_BEFORE = 700, 350
LANES, EARLIER_SHOWN, PARTS_SHOWN = 8, 5, 12
LANE_SLICES = 150
EARLIER_LENGTHS = 3
SEEN_DAYS = 90
LEAST_LEAD_S, LEAD_STEPS = 900, 10  # others count as firing together if they began so long before, or later
ARRIVED_WITHIN = timedelta(days=1)
FIRST = {
    Kind.DEVIATION: "first anomaly",
    Kind.SILENCE: "last point before the silence",
    Kind.REFIT_FAILING: "newest of the failed fits",
}


@dataclass(frozen=True, slots=True)
class Lane:
    """Another alert that began in the same minutes, with the scores of its series on the time axis of the chart."""

    row: Row
    scores: Spark


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an alert."""

    at: datetime
    name: str  # began, peak, ended, acknowledged, or the type of a notice
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that the page of an alert shows."""

    row: Row  # without a spark
    chart: FluidChart | None  # None: of a whole watch, or its points are deleted
    lanes: list[Lane]
    together: int
    earlier: Earlier
    earlier_rows: list[Row]
    events: list[Event]
    acknowledged_by: str | None  # name of the key
    reviewed_by: str | None  # name of the key
    silent_parts: list[SilentPart]

    @property
    def rank(self) -> int:
        """Its place among the alerts of its series and kind in `SEEN_DAYS`, the worst first."""
        return self.earlier.as_bad + 1


def tell(session: Session, stored: StoredAlert, visible_prefix: str) -> Story:
    """Return the story of an alert, from some ten queries that are all bounded."""
    alert = stored.alert
    point = newest(session, [stored.series_no]).get(stored.series_no) if stored.series_no is not None else None
    span, end = span_of(stored, point), end_of(stored, point)
    others, together = _together(session, stored, point, end, visible_prefix)
    before = overviews.earlier(session, stored, alert.started_at - SEEN_DAYS * 86_400, EARLIER_SHOWN)
    by = keys.name_of(session, stored.acknowledged_by)
    return Story(
        row=Row(stored, point, end, None),
        chart=_chart(session, stored, span, end),
        lanes=_lanes(session, others, span),
        together=together,
        earlier=before,
        earlier_rows=rows_of(session, before.newest, EARLIER_LENGTHS, with_week=False),
        events=_events(stored, overviews.notices(session, alert.id), by),
        acknowledged_by=by,
        reviewed_by=keys.name_of(session, stored.reviewed_by),
        silent_parts=overviews.silent_parts(session, stored, PARTS_SHOWN) if stored.series_no is None else [],
    )


def _chart(session: Session, stored: StoredAlert, span: tuple[int, int], end: int) -> FluidChart | None:
    if stored.series_no is None:
        return None
    shown = points.newest_between(session, stored.series_no, *span, MOST_STEPS)
    if not len(shown):
        return None
    first, last = (moment - WEEK_S for moment in span)
    week_before = points.newest_between(session, stored.series_no, first, last, MOST_STEPS)
    region = (stored.alert.started_at, end)
    return chart(excerpt(shown, SHOWN_POINTS), thinned(week_before, SHOWN_BEFORE), span, region)


def _together(
    session: Session, stored: StoredAlert, point: Newest | None, end: int, visible_prefix: str
) -> tuple[list[StoredAlert], int]:
    lead = max(LEAST_LEAD_S, round(LEAD_STEPS * step_of(point)))
    began = (stored.alert.started_at - lead, end)
    arrived = (stored.created_at - ARRIVED_WITHIN, stored.changed_at + ARRIVED_WITHIN)
    return overviews.together(session, stored, visible_prefix, began, arrived, LANES)


def _lanes(session: Session, others: Sequence[StoredAlert], span: tuple[int, int]) -> list[Lane]:
    rows = rows_of(session, others, EARLIER_LENGTHS, with_week=False)
    windows = [Window(stored.series_no or 0, *span) for stored in others]
    found = outlines(session, windows, LANE_SLICES, MOST_STEPS)
    return [Lane(row, score_track(slices, LANE_SLICES)) for row, slices in zip(rows, found, strict=True)]


def _events(stored: StoredAlert, notices: Sequence[Notified], by: str | None) -> list[Event]:
    """Return what happened, oldest first. Notices have the time of writing, and all else the time of points."""
    alert = stored.alert
    events = [Event(_moment(alert.started_at), "began", FIRST[alert.kind])]
    if alert.peak and alert.peak.timestamp > alert.started_at:
        events.append(
            Event(_moment(alert.peak.timestamp), "peak", f"highest score, {readable(alert.peak.score, digits=3)}")
        )
    if alert.ended_at is not None:
        events.append(Event(_moment(alert.ended_at), "ended", "normal again"))
    if stored.acknowledged_at is not None:
        events.append(Event(stored.acknowledged_at, "acknowledged", f"by {by}" if by else ""))
    for notice in notices:
        word = notice.type.removeprefix("alert.")
        events.append(Event(notice.created_at, word, f"quiet: {notice.quiet}" if notice.quiet else ""))
    return sorted(events, key=lambda event: event.at)


def _moment(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
