"""Stuck: a value that repeats for longer than ever before."""

from dataclasses import dataclass

import numpy as np

from shared.domain.series import Values

MOST_FREQUENT = 50  # values that have a limit of their own
FREQUENT_RUNS, FREQUENT_SHARE = 10, 0.02  # a frequent value has at least this many runs, and this share of all
NEWEST = 200_000  # training points that are looked at
FEWEST_RUNS = 5  # with fewer, the limit is farther above the longest one
UNLIMITED = 1e9  # points


@dataclass(frozen=True, slots=True)
class Stuck:
    """The longest run of equal values that is normal: of each frequent value, and of all others."""

    values: Values  # (k,) increasing
    limits: Values  # (k + 1,) points; the last for all other values

    @classmethod
    def of(cls, values: Values) -> "Stuck":
        """Learn from the values (n,) of a history."""
        values = values[-NEWEST:]
        is_last = np.concatenate((values[1:] != values[:-1], [True]))
        run_values, lengths = values[is_last], run_lengths(values)[is_last]
        different, counts = np.unique(run_values, return_counts=True)
        frequent = different[counts >= max(FREQUENT_RUNS, FREQUENT_SHARE * len(run_values))][:MOST_FREQUENT]
        limits = [_limit(lengths[run_values == value]) for value in frequent]
        return cls(frequent, np.array([*limits, _limit(lengths[~np.isin(run_values, frequent)])]))

    def ratios(self, values: Values) -> Values:
        """Return the length of the run that ends at each of the values (m,), in units of its limit."""
        places = np.searchsorted(self.values, values)
        known = np.append(self.values, np.nan)[np.minimum(places, len(self.values))] == values
        return run_lengths(values) / self.limits[np.where(known, places, len(self.values))]


def run_lengths(values: Values) -> Values:
    """Return how many equal values (m,) end at each one, itself included."""
    places = np.arange(len(values))
    begins = np.concatenate(([True], values[1:] != values[:-1]))
    return (places - np.maximum.accumulate(np.where(begins, places, 0)) + 1).astype(np.float64)


def _limit(lengths: Values) -> float:
    """Return the longest normal run, by the lengths (k,) of past runs."""
    if len(lengths) == 0:
        return UNLIMITED
    longest = float(lengths.max())
    return 1.5 * longest + 2.0 if len(lengths) >= FEWEST_RUNS else 4.0 * longest + 4.0
