"""The live chart of a stream: its newest stored points with their verdicts, and the spans that people marked."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.charts.fluid import FluidChart, chart
from api.charts.stored import excerpt, thinned
from shared.domain.series import DAY_S, WEEK_S
from shared.store import points, spans
from shared.store.engine import Session
from shared.store.spans import Span
from shared.store.streams import Stream

DAYS = (1, 7, 28)
ENOUGH_POINTS = 200  # for a chart to begin with
MAX_READ = 50_000
SHOWN_POINTS, SHOWN_BEFORE = 600, 300
SPANS_LISTED = 20
_FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class LiveChart:
    """The newest points of a stream over a number of days."""

    days: int
    chart: FluidChart
    points: int
    spans: Sequence[Span]  # in this time or later, newest first


def live_chart(session: Session, stream: Stream, days: int | None, now: int) -> LiveChart | None:
    """Return the chart of the newest `days`, by default as many as have enough points; None if nothing came yet.

    now: seconds since 1970. A silent stream is shown up to now, others up to their newest point.
    """
    if stream.last_timestamp is None:
        return None
    days = days or _days_of(stream.usual_step_s)
    last = stream.last_timestamp
    if stream.is_silent and last < now < last + days * DAY_S:
        last = now
    first = last - days * DAY_S
    shown = points.newest_between(session, stream.no, first, last, MAX_READ)
    if len(shown) == MAX_READ:
        first = int(shown.timestamps[0])
    before = points.newest_between(session, stream.no, first - WEEK_S, last - WEEK_S, MAX_READ)
    marked = spans.of_series(session, stream.series_id, first, _FOREVER)
    drawn = chart(
        excerpt(shown, SHOWN_POINTS),
        thinned(before, SHOWN_BEFORE),
        (first, last),
        None,
        [(span.kind, (span.from_ts, span.to_ts)) for span in marked if span.from_ts <= last],
    )
    return LiveChart(days, drawn, len(shown), marked[:SPANS_LISTED])


def _days_of(step_s: float | None) -> int:
    """Return the fewest days that have enough points, if one comes every `step_s` seconds."""
    return next((days for days in DAYS if days * DAY_S >= ENOUGH_POINTS * (step_s or 0)), DAYS[-1])
