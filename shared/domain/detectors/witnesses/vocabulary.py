"""Vocabulary: a value that never occurred, in a series of few different values: states, switches, small counts."""

from dataclasses import dataclass

import numpy as np

from shared.domain.series import Values

FEWEST_POINTS, MOST_VALUES = 100, 50
UNKNOWN = 2.0  # the ratio of a value that never occurred


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The values that occur, increasing; none if there are too many, or new ones keep coming."""

    values: Values  # (k,)

    @classmethod
    def of(cls, values: Values, alarm_rate: float) -> "Vocabulary":
        """Learn from values (n,).

        The probability that the next value is a new one is about the share of values that occurred once [Good: The
        population frequencies of species, 1953]: it must be below the alarm rate.
        """
        if len(values) < FEWEST_POINTS or len(np.unique(values[:1_000])) > MOST_VALUES:
            return cls(np.empty(0))
        different, counts = np.unique(values, return_counts=True)
        new_share = (np.count_nonzero(counts == 1) + 0.5) / len(values)
        return cls(different if len(different) <= MOST_VALUES and new_share < alarm_rate else np.empty(0))

    def ratios(self, values: Values) -> Values:
        """Return `UNKNOWN` for each of values (m,) that never occurred, and 0 for the others."""
        if len(self.values) == 0:
            return np.zeros(len(values))
        return np.where(np.isin(values, self.values), 0.0, UNKNOWN)
