"""Anomalies injected into held-out values, and how well a detector's scores rank them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shared.domain.series import Flags, Series, Values

LEARNED_SHARE = 0.7
MOST_POINTS, MOST_HELD_OUT = 20_000, 3_000  # bound the time for any length
EVENTS = 6  # per kind
POINTS_PER_EVENT = 200  # points per event in a copy
SHORTEST, LONGEST = 8, 100  # points of an event
BORDER_LENGTHS = 2.0  # event lengths: margin around an event that counts neither as normal nor as anomalous
KINDS = ("spike", "shift", "flat", "noise", "faster", "elsewhere")


@dataclass(frozen=True, slots=True)
class Injected:
    """Values (m,) with events of one kind."""

    kind: str
    values: Values
    inside: Flags  # points of events, which should score high
    outside: Flags  # points far from all events, which should not


def split(series: Series) -> tuple[Series, Series]:
    """Split the newest points into a training part and the held-out part after it."""
    recent = slice(max(len(series) - MOST_POINTS, 0), len(series))
    timestamps, values = series.timestamps[recent], series.values[recent]
    cut = max(int(LEARNED_SHARE * len(values)), len(values) - MOST_HELD_OUT)
    return Series(timestamps[:cut], values[:cut]), Series(timestamps[cut:], values[cut:])


def injections(values: Values, spread: float, period: int) -> Iterator[Injected]:
    """Yield copies of the values (m,) with events of one kind each; `spread` sets their size, `period` their length.

    Copies of a shorter series have fewer events each, so there are more copies. Nothing is random: the same series
    always gives the same copies.
    """
    events_per_copy = min(max(len(values) // POINTS_PER_EVENT, 1), EVENTS)
    slot = len(values) // events_per_copy
    length = min(max(period or LONGEST // 3, SHORTEST), LONGEST, max(slot // 6, 1))
    for kind in KINDS:
        for copy in range(EVENTS // events_per_copy):
            changed, inside, outside = values.copy(), np.zeros(len(values), bool), np.ones(len(values), bool)
            for number in range(events_per_copy):
                size = 1 if kind == "spike" else length
                free = slot - size
                start = number * slot + free * (2 * copy + 1) * events_per_copy // (2 * EVENTS)
                part = slice(start, start + size)
                changed[part] = _event(kind, values, part, spread if (number + copy) % 2 else -spread)
                inside[part] = True
                outside[max(start - int(BORDER_LENGTHS * length), 0) : start + size + int(BORDER_LENGTHS * length)] = (
                    False
                )
            yield Injected(kind, changed, inside, outside)


def _event(kind: str, values: Values, part: slice, size: float) -> Values:
    original: Values = values[part]
    changed: Values
    count = np.arange(len(original))
    if kind == "spike":
        changed = original + 3 * size
    elif kind == "shift":
        changed = original + size
    elif kind == "flat":
        changed = np.full(len(original), original[0])
    elif kind == "noise":  # ragged: fractional parts of multiples of the golden ratio
        changed = original + 1.7 * size * (2 * np.mod(count * 0.6180339887498949, 1) - 1)
    elif kind == "faster":
        changed = np.interp(2.0 * count, np.arange(len(values) - part.start), values[part.start :])
    else:
        changed = values[(part.start + len(values) // 3 + count) % len(values)]
    return changed


def precision(scores: Values, events: Injected) -> float:
    """Return the average precision: the mean, over all event points, of the precision at their score."""
    counted = events.inside | events.outside
    inside = events.inside[counted]
    order = np.argsort(-scores[counted], kind="stable")
    ranked = inside[order]
    hits = np.cumsum(ranked)
    # a threshold reaches all equal scores at once
    last = np.searchsorted(-scores[counted][order], -scores[counted][order], side="right") - 1
    return float((hits[last] / (last + 1))[ranked].mean())
