"""Silence: how long a stream may send nothing before that is an event."""

from collections import Counter
from collections.abc import Sequence

FACTOR = 3.0
LEAST_S = 60.0
ENDED_S = 300.0  # after the sender of a stream said that no more points come
TOGETHER = 5  # this many streams of a watch that fall silent together,
SHARE = 0.5  # and this share of all its streams, are one alert


def threshold_s(rule: str | int, step_s: float | None, gap_s: float | None, long_gap_s: float | None) -> float | None:
    """Return the seconds without a point after which a stream is silent; None: never.

    rule: `auto`, `off`, or seconds. step_s: usual seconds between timestamps; gap_s: between arrivals, so that hourly
    uploads of minutes are not silent for 59 minutes; long_gap_s: the longest between arrivals. A stream that has
    arrived only once has no usual gap, and is never silent by itself.
    """
    if isinstance(rule, int):
        return float(rule)
    if rule != "auto" or gap_s is None:
        return None
    return max(FACTOR * (step_s or 0.0), FACTOR * gap_s, long_gap_s or 0.0, LEAST_S)


def folded(silent: Sequence[str], streams: dict[str, int]) -> set[str]:
    """Return the watches whose streams fell silent together.

    silent: the watch of each stream that falls silent now. streams: number of streams by watch.
    """
    counts = Counter(silent)
    return {
        watch for watch, count in counts.items() if count >= TOGETHER and count >= SHARE * max(streams.get(watch, 0), 1)
    }
