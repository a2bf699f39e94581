"""Which spans a query fetches, aligned to its step: the newest points first, then older ones beside what is new."""

from collections.abc import Generator
from hashlib import sha256

from shared.domain.watching.sources import Query, Source

MAX_POINTS_PER_SERIES = 10_000  # Prometheus refuses more than 11,000
MAX_POINTS = 200_000  # per request, of all series together: some 7 MB of JSON
FIRST_POINTS = 100  # per series, while the number of series is unknown
RECENT_POINTS = 1_000  # per series: with these, detectors judge what comes, while older points are still fetched
HELD = 1  # newest steps that are not among the first points: when they are fetched, the first version judges them
OVERLAP = 1  # steps before the last one that are read again, because points may have come late


def key_of(query: Query) -> str:
    """Return a key under which the progress of a query is remembered: another query or step begins anew."""
    return sha256(f"{query.step_s} {query.query}".encode()).hexdigest()[:16]


def span_of(source: Source, query: Query, loaded: int | None, now: float, keep_s: float) -> tuple[int, int]:
    """Return the first and last second of what is new; the last is smaller if nothing is.

    loaded: the last second that was fetched; None: only the newest points are new. keep_s: older ones would be refused.
    """
    step_s = query.step_s
    end = int(now - source.offset_s) // step_s * step_s
    if loaded is None:
        oldest, end = _aligned(now - min(source.history_s, keep_s), step_s), end - HELD * step_s
        return min(max(oldest, end - (RECENT_POINTS - 1) * step_s), end), end
    if loaded >= end:
        return end, end - step_s
    return max(loaded // step_s * step_s - OVERLAP * step_s, _aligned(now - keep_s, step_s)), end


def older_than(source: Source, query: Query, first: int | None, now: float, keep_s: float) -> tuple[int, int]:
    """Return the first and last second of the history that is missing; the last is smaller if none is.

    first: the first second that was fetched; None: nothing was, or an earlier release fetched everything.
    """
    oldest = _aligned(now - min(source.history_s, keep_s), query.step_s)
    return oldest, oldest - query.step_s if first is None else first - query.step_s


def windows(
    start: int, end: int, step_s: int, *, newest_first: bool = False
) -> Generator[tuple[int, int], int | None, None]:
    """Yield inclusive windows from `start` to `end`, or from `end` to `start` with `newest_first`.

    Send the number of series that the last one had, or None if it was too large: its first half follows, and no later
    window is larger than that.
    """
    points, most = FIRST_POINTS, MAX_POINTS_PER_SERIES
    while start <= end:
        span_s = (points - 1) * step_s
        first, last = (max(end - span_s, start), end) if newest_first else (start, min(start + span_s, end))
        series = yield first, last
        if series is None:
            points = most = max((last - first) // step_s + 1, 2) // 2
            continue
        start, end = (start, first - step_s) if newest_first else (last + step_s, end)
        points = min(MAX_POINTS // max(series, 1), most) or 1


def _aligned(second: float, step_s: int) -> int:
    """Return the first multiple of the step that is not before a moment."""
    return -(-int(second) // step_s) * step_s
