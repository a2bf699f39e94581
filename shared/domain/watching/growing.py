"""When the streams of a watch are first fitted, and fitted again while they grow."""

import hashlib

FIRST_POINTS = 32
GROWTH = 4
JITTER = 0.25  # spreads the fits of streams that began together


def first_fit_at(series_id: str, min_points: int) -> int:
    """Return the number of points that makes the first automatic fit of a series due."""
    return jittered(series_id, max(FIRST_POINTS, min_points))


def next_fit_at(series_id: str, points: int) -> int:
    """Return the number of points that makes the fit after one with `points` points due."""
    return jittered(series_id, GROWTH * points)


def jittered(series_id: str, points: int) -> int:
    """Return the number plus 0 to 25 %, by a hash of the id: always the same, so that a fit is never asked twice.

    The share is only added, since a detector may need at least `points`.
    """
    digest = hashlib.sha256(series_id.encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    return points + int(JITTER * share * points)
