"""Which spans of time a query fetches: aligned to its step, history first, in windows of a limited number of points."""

from collections.abc import Generator
from hashlib import sha256

from shared.domain.watching.sources import Query, Source

MAX_POINTS_PER_SERIES = 10_000  # Prometheus refuses more than 11,000
MAX_POINTS = 200_000  # per request, of all series together: some 7 MB of JSON
FIRST_POINTS = 100  # per series, while the number of series is unknown
OVERLAP = 1  # steps before the last one that are read again, because points may have come late


def key_of(query: Query) -> str:
    """Return a key under which the progress of a query is remembered: another query or step begins anew."""
    return sha256(f"{query.step_s} {query.query}".encode()).hexdigest()[:16]


def span_of(source: Source, query: Query, loaded: int | None, now: float, keep_s: float) -> tuple[int, int]:
    """Return the first and last second that a run fetches; the last is smaller if there is nothing to fetch.

    loaded: the last second that was fetched. keep_s: older points would be refused.
    """
    step_s = query.step_s
    end = int(now - source.offset_s) // step_s * step_s
    oldest = -(-int(now - min(source.history_s if loaded is None else keep_s, keep_s)) // step_s) * step_s
    if loaded is None:
        return min(oldest, end), end
    if loaded >= end:
        return end, end - step_s
    return max(loaded // step_s * step_s - OVERLAP * step_s, oldest), end


def windows(start: int, end: int, step_s: int) -> Generator[tuple[int, int], int | None, None]:
    """Yield inclusive windows from `start` to `end`.

    Send the number of series that the last one had, or None if it was too large: its first half follows, and no later
    window is larger than that.
    """
    points, most = FIRST_POINTS, MAX_POINTS_PER_SERIES
    while start <= end:
        last = min(start + (points - 1) * step_s, end)
        series = yield start, last
        if series is None:
            points = most = max((last - start) // step_s + 1, 2) // 2
        else:
            start = last + step_s
            points = min(MAX_POINTS // max(series, 1), most) or 1
