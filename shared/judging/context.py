"""The context of a point: the last training values, the intervals missed since, and recent values from the request."""

import math
from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.contract import Need
from shared.domain.series import Values
from shared.judging.gaps import Flags, most_missing

NO_VALUES: Values = np.empty(0)


@dataclass(frozen=True, slots=True)
class Context:
    """Values before a point, oldest first: training values, then missed intervals, then recent values."""

    values: Values  # (m,); a missed interval has the last training value
    missed: int = 0  # how many of the values stand for missed intervals
    recent: int = 0  # how many of the values came with the request

    @property
    def missing(self) -> Flags:
        """Flags (m,) of the values that stand for missed intervals."""
        places = np.arange(len(self.values))
        end = len(self.values) - self.recent
        return (places >= end - self.missed) & (places < end)


def context_of(need: Need, timestamp: int, recent: Values = NO_VALUES) -> Context:
    """Join the known values before a point at `timestamp`, up to the number that its detector needs.

    recent: (k,) values from the request, oldest first, one interval apart, the last one interval before the point.

    If these are too few, training values precede them. Training values that the recent ones repeat are left out, and
    the last training value fills each interval missed in between. If too many intervals were missed, the context holds
    only the recent values.
    """
    lacking = need.points - len(recent)
    if lacking <= 0 or timestamp <= need.last_timestamp:
        return Context(recent, recent=len(recent))
    intervals = max(math.ceil((timestamp - need.last_timestamp) / need.interval_s - 0.5), 1)
    missed = intervals - 1 - len(recent)
    if missed > most_missing(need.points):
        return Context(recent, recent=len(recent))
    repeated = max(-missed, 0)  # training values that the recent ones repeat
    missed = min(max(missed, 0), lacking)
    end = max(len(need.tail) - repeated, 0)
    tail = need.tail[max(end - (lacking - missed), 0) : end]
    if not (missed or len(recent)):
        return Context(tail)
    fill = np.full(missed, need.tail[-1])
    return Context(np.concatenate((tail, fill, recent)), missed, len(recent))
