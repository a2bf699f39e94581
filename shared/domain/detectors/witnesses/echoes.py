"""Echoes: an event stays in the windows of the points after it, although their own values are usual again.

So where values are usual again after far ones, a point is judged twice: by all values before it, and with the expected
values in place of the far ones. The smaller ratio counts: after a spike, it comes from the expected values, and after a
step, from the values as they were. Level and season say which values are far, each by its own value alone. What a
forecast finds far would depend on ever earlier values, so a point would not have the same ratio in a batch and alone.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from shared.domain.detectors.witnesses.forecast import Forecast
from shared.domain.series import Flags, Values

USUAL = 2  # values in a row that end an event: one alone may be on the way from a far value to another


@dataclass(frozen=True, slots=True)
class Calm:
    """Standardized values with the expected ones in place of those that are far."""

    values: Values  # (n,)
    is_far: Flags  # (n,)

    @classmethod
    def of(cls, values: Values) -> "Calm":
        """Begin with values (n,), none of them far."""
        return cls(values.copy(), np.zeros(len(values), dtype=np.bool_))

    def replace(self, is_far: Flags, expected: Values) -> None:
        """Replace the values that are far (n,) by the expected ones (n,)."""
        self.values[is_far] = expected[is_far]
        self.is_far[is_far] = True

    def after_far(self, reach: int) -> Flags:
        """Flag the points (n,) of usual values, `USUAL` in a row, that have far ones among the `reach` before them."""
        if not self.is_far.any():
            return self.is_far
        return _has_before(self.is_far, reach) & ~self.is_far & ~_has_before(self.is_far, USUAL - 1)

    def quiet(self, column: Values | None) -> Values | None:
        """Return a column (n,) of residuals with 0 for the far values."""
        return None if column is None else np.where(self.is_far, 0.0, column)


def _has_before(flags: Flags, reach: int) -> Flags:
    """Flag the points that have any of the flags (n,) among the `reach` before them."""
    counts, places = np.concatenate(([0], np.cumsum(flags))), np.arange(len(flags))
    return np.asarray(counts[places] > counts[np.maximum(places - reach, 0)])


@dataclass(frozen=True, slots=True)
class ForecastErrors:
    """Errors (n,) of the forecasts of n values, in spreads, and the forecasts that err less; NaN for unknown ones."""

    plain: Values  # after the values as they were
    calm: Values  # after the expected values in place of far ones
    smaller: Values  # of both
    forecasts: Values  # (n,)

    @classmethod
    def of(cls, forecast: Forecast, values: Values, calm: Calm, early: int) -> Self:
        """Forecast the standardized values (n,) from index `early` on; earlier errors affect nothing."""
        plain, forecasts = np.full(len(values), np.nan), np.full(len(values), np.nan)
        places = np.arange(max(early, forecast.rule.lags), len(values))
        plain[places], forecasts[places] = forecast.errors(values, values, places)
        errors, calm_forecasts = plain.copy(), forecasts.copy()
        if calm.is_far.any():
            places = places[_has_before(calm.is_far, forecast.rule.lags)[places]]
            errors[places], calm_forecasts[places] = forecast.errors(values, calm.values, places)
        is_smaller = np.abs(errors) < np.abs(plain)
        return cls(plain, errors, np.where(is_smaller, errors, plain), np.where(is_smaller, calm_forecasts, forecasts))
