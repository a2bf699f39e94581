"""Ten kinds of series: their points, when these arrive, and what happens to them. All of it follows the seed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared.domain.series import Timestamps, Values

HOUR_S, DAY_S = 3_600, 86_400
ZONE = "Europe/Berlin"
Interval = tuple[int, int]  # inclusive

# The watch of each kind. All series of a kind share it.
KINDS: dict[str, dict[str, Any]] = {
    "steady": {"detector": "baseline", "refit": {"every": "6h"}, "window": "7d", "keep_versions": 2},
    "daily": {"detector": "auto", "refit": {"every": "1d", "at": "02:30"}, "timezone": ZONE, "window": "7d"},
    "late": {"detector": "robust", "refit": {"every": "12h"}, "keep_versions": 3},
    "doubled": {"detector": "baseline", "refit": {"every": "1d"}},
    "hourly": {"detector": "robust", "refit": {"every": "1d", "at": "00:15"}, "timezone": "America/Sao_Paulo"},
    "silent": {"detector": "baseline", "refit": {"every": "1d"}, "silence": "45m"},
    "young": {"detector": "robust", "refit": {"every": "8h"}},
    "gaps": {"detector": "baseline", "refit": {"every": "2d", "at": "03:00"}, "timezone": ZONE},
    "pinned": {"detector": "baseline", "refit": {"every": "6h"}},
    "stuck": {"detector": "baseline", "refit": {"every": "6h"}, "window": "12h", "silence": "off"},
}


@dataclass(frozen=True, slots=True)
class Signal:
    """One series of the month: n points in order, and when each is sent."""

    series_id: str
    kind: str
    timestamps: Timestamps
    values: Values  # NaN: a known gap
    arrivals: Timestamps  # not before the timestamp
    incidents: list[Interval] = field(default_factory=list)  # far from normal


def prefix_of(kind: str) -> str:
    return f"month.{kind}."


def make(kind: str, number: int, start: int, end: int, tick_s: int, rng: np.random.Generator) -> Signal:
    """Return a series with points each `tick_s` from `start` to `end`."""
    timestamps = np.arange(start, end, tick_s, dtype=np.int64)
    level, spread = rng.uniform(10, 100), rng.uniform(0.5, 2)
    values = level + spread * rng.normal(size=len(timestamps))
    if kind in ("daily", "hourly"):
        values += 8 * spread * np.sin(2 * np.pi * timestamps / DAY_S + rng.uniform(0, 6))
    incidents = [] if kind in ("stuck", "pinned") else _incidents(timestamps, tick_s, rng)
    for first, last in incidents:
        values[(timestamps >= first) & (timestamps <= last)] += 60 * spread
    if kind == "stuck":
        values[timestamps > start + (end - start) // 4] = level
    values = np.round(values, 2)
    kept = np.ones(len(timestamps), dtype=np.bool_)
    if kind == "young":
        kept &= timestamps > start + rng.integers(0, (end - start) // 2)
    if kind == "silent":
        for first, last in _stops(start, end, rng):
            kept &= (timestamps < first) | (timestamps > last)
    if kind == "gaps":
        values[rng.random(len(values)) < 0.05] = np.nan
        kept &= rng.random(len(kept)) > 0.05
    arrivals = timestamps.copy()
    if kind == "late":
        arrivals += np.where(rng.random(len(arrivals)) < 0.1, tick_s * rng.integers(1, 5, len(arrivals)), 0)
    if kind == "hourly":
        arrivals = -(-arrivals // HOUR_S) * HOUR_S
    series_id = f"{prefix_of(kind)}{number}"
    return Signal(series_id, kind, timestamps[kept], values[kept], arrivals[kept], incidents)


def _incidents(timestamps: Timestamps, tick_s: int, rng: np.random.Generator) -> list[Interval]:
    """Return an incident of three to six points for each three days, in the second half of the time."""
    count = max(1, len(timestamps) * tick_s // (6 * DAY_S))
    half = len(timestamps) // 2
    places = np.linspace(half, len(timestamps) - 12, count + 1)[:-1].astype(int)
    found = []
    for place in places.tolist():
        first = place + int(rng.integers(0, max((len(timestamps) - 12 - half) // (2 * count), 1)))
        found.append((int(timestamps[first]), int(timestamps[first + int(rng.integers(2, 6))])))
    return found


def _stops(start: int, end: int, rng: np.random.Generator) -> list[Interval]:
    """Return some hours without points, and an interval in which all series of the kind stop together."""
    alone = [(at, at + int(rng.integers(HOUR_S, 8 * HOUR_S))) for at in rng.integers(start + HOUR_S, end, 3).tolist()]
    together = start + (end - start) * 2 // 3
    return [*alone, (together, together + 5 * HOUR_S)]
