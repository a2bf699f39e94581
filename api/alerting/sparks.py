"""Small charts of alerts, all in one query."""

from collections.abc import Mapping, Sequence

from api.alerting.times import shares, week_before, window_of
from api.charts.sparks import Spark, spark
from shared.store.alerts import StoredAlert
from shared.store.engine import Session
from shared.store.outlines import Newest, outlines

SLICES = 80
MOST_POINTS = 2_000  # read for a spark, and for the week before


def sparks_of(
    session: Session, alerts: Sequence[StoredAlert], newest: Mapping[int, Newest], lengths: int, *, with_week: bool
) -> list[Spark | None]:
    """Return a spark of each alert with `lengths` of it on both sides; None for a whole watch."""
    windows = [window_of(stored, newest.get(stored.series_no or 0), lengths) for stored in alerts]
    known = [window for window in windows if window is not None]
    asked = known + [week_before(window) for window in known] * with_week
    found = outlines(session, asked, SLICES, MOST_POINTS)
    shown: list[Spark | None] = []
    place = 0
    for stored, window in zip(alerts, windows, strict=True):
        if window is None:
            shown.append(None)
            continue
        before = found[len(known) + place] if with_week else []
        region = shares(stored, newest.get(window.no), window)
        shown.append(spark(found[place], before, SLICES, region))
        place += 1
    return shown
