"""When the streams of a watch are first fitted, and fitted again while they grow."""

from shared.domain.watching.schedules import share_of

FIRST_POINTS = 32
GROWTH = 4
GROWN = 0.95  # of the window
AGAIN_AFTER = 0.25  # more points
JITTER = 0.25  # spreads the fits of streams that began together


def first_fit_at(series_id: str, min_points: int) -> int:
    """Return the number of points that makes the first automatic fit of a series due."""
    return jittered(series_id, max(FIRST_POINTS, min_points))


def next_fit_at(series_id: str, points: int, span_s: float, window_s: float) -> int | None:
    """Return the number of points that makes the next fit due, after one at `points` points over `span_s` seconds.

    points: that the stream ever had, so that one with gaps is not due again at once. None: the fit fills the window, so
    the stream has grown.
    """
    return None if span_s >= GROWN * window_s else jittered(series_id, GROWTH * points)


def postponed(points: int) -> int:
    """Return the number of points that makes a fit due again if a stream with `points` points cannot be fitted yet."""
    return int(points * (1 + AGAIN_AFTER)) + 1


def jittered(series_id: str, points: int) -> int:
    """Return the number plus 0 to 25 %, by a hash of the id: always the same, so that a fit is never asked twice.

    The share is only added, since a detector may need at least `points`.
    """
    return points + int(JITTER * share_of(series_id) * points)
