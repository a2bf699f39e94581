"""The context of a point: the end of the training values, the intervals missed since, and the values given with it."""

import math
from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.contract import Need
from shared.domain.series import Values
from shared.judging.gaps import Flags, most_missing

NO_VALUES: Values = np.empty(0)


@dataclass(frozen=True, slots=True)
class Context:
    """What stands before a point, oldest first: training values, missed intervals, given values."""

    values: Values  # (m,); the last before them stands for missed ones
    missed: int = 0
    given: int = 0

    @property
    def missing(self) -> Flags:
        """Which of the values (m,) were missed."""
        places = np.arange(len(self.values))
        end = len(self.values) - self.given
        return (places >= end - self.missed) & (places < end)


def context_of(need: Need, timestamp: int, given: Values = NO_VALUES) -> Context:
    """Join what is known before a point at `timestamp`, as far as its detector needs it.

    Given values, oldest first, are taken as one interval apart, the last of them one interval before the point. Where
    they are too few, the training values come before them: without those that the given ones repeat, and with the last
    one standing for each interval that was missed in between. Where too many were missed, the given values are all.
    """
    lacking = need.points - len(given)
    if lacking <= 0 or timestamp <= need.last_timestamp:
        return Context(given, given=len(given))
    intervals = max(math.ceil((timestamp - need.last_timestamp) / need.interval_s - 0.5), 1)
    missed = intervals - 1 - len(given)
    if missed > most_missing(need.points):
        return Context(given, given=len(given))
    repeated = max(-missed, 0)  # training values that were given again
    missed = min(max(missed, 0), lacking)
    end = max(len(need.tail) - repeated, 0)
    tail = need.tail[max(end - (lacking - missed), 0) : end]
    if not (missed or len(given)):
        return Context(tail)
    return Context(np.concatenate((tail, np.full(missed, need.tail[-1]), given)), missed, len(given))
