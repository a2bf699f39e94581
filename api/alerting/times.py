"""Which time the charts of an alert show."""

import time

from shared.domain.series import WEEK_S
from shared.domain.watching.alerts import AlertStatus, Kind
from shared.store.alerts import StoredAlert
from shared.store.outlines import Newest, Window

LENGTHS = 10  # of the alert, shown before and after it
FEWEST_STEPS, MOST_STEPS = 12, 10_000  # usual steps: an alert counts as at least so long; no chart is longer
DEFAULT_STEP_S = 60.0


def step_of(newest: Newest | None) -> float:
    """Return the usual seconds between the points of a stream."""
    return max((newest.usual_step_s if newest else None) or DEFAULT_STEP_S, 1.0)


def end_of(stored: StoredAlert, newest: Newest | None, now: float | None = None) -> int:
    """Return the second until which an alert lasts or lasted.

    An open deviation lasts until the newest point of its stream, another open alert until now.
    """
    alert = stored.alert
    if alert.status != AlertStatus.OPEN:
        ended = alert.ended_at or 0
        return alert.last_anomaly_at if alert.kind == Kind.DEVIATION else max(alert.last_anomaly_at, ended)
    if alert.kind != Kind.DEVIATION:
        return max(round(time.time() if now is None else now), alert.started_at)
    return max(alert.last_anomaly_at, newest.timestamp if newest else 0)


def span_of(stored: StoredAlert, newest: Newest | None, lengths: int = LENGTHS) -> tuple[int, int]:
    """Return the seconds to show: the alert and `lengths` of it before and after, as far as there are points."""
    start, end, step = stored.alert.started_at, end_of(stored, newest), step_of(newest)
    most = round(MOST_STEPS * step)
    room = min(lengths * max(end - start, round(FEWEST_STEPS * step)), most // 2)
    right = end + room
    if stored.alert.kind == Kind.DEVIATION and newest:
        right = max(min(right, newest.timestamp), end)
    elif stored.alert.status == AlertStatus.OPEN:
        right = end
    return max(start - room, right - most, 0), max(right, start - room + 1)


def window_of(stored: StoredAlert, newest: Newest | None, lengths: int) -> Window | None:
    """Return the window for a small chart of an alert; None for that of a whole watch."""
    return None if stored.series_no is None else Window(stored.series_no, *span_of(stored, newest, lengths))


def week_before(window: Window) -> Window:
    """Return the same window a week earlier."""
    return Window(window.no, window.first - WEEK_S, window.last - WEEK_S)


def shares(stored: StoredAlert, newest: Newest | None, window: Window) -> tuple[float, float]:
    """Return where an alert begins and ends in a window, as shares of its time."""
    length = max(window.last - window.first, 1)
    end = end_of(stored, newest)
    return (stored.alert.started_at - window.first) / length, (end - window.first) / length
