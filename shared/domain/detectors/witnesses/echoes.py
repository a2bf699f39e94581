"""Echoes: an event stays in the windows of the points after it, although their own values are usual again.

So where values are usual again after far ones, a point is judged twice: by all values before it, and with the expected
values in place of the far ones. The smaller ratio counts: after a spike, that of the expected values, and after a step,
that of the values as they were. Whether a value is far depends on itself and on few before it, so a point has the same
ratio in a batch, alone and in a stream.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from shared.domain.detectors.witnesses.forecast import Forecast
from shared.domain.series import Flags, Values

USUAL = 2  # values in a row that end an event: one alone may be on the way from a far value to another
MOST_FILLED = 32  # far values in a row that are replaced by forecasts
JUMP = 0.7  # of the forecast's band: a value that only the forecast finds far is this far from the one before
MOST_FORECAST = 3  # far values in a row that only the forecast finds far: after more of them, it is a new level


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


def _fill(forecast: Forecast, values: Values, calm: Calm) -> None:
    """Replace the first far values of each stretch by forecasts, each from the values and forecasts before it."""
    lags, places = forecast.rule.lags, np.flatnonzero(calm.is_far)
    if not len(places):
        return
    begins = np.diff(places, prepend=-2) > 1
    ranks = np.arange(len(places)) - np.maximum.accumulate(np.where(begins, np.arange(len(places)), 0))
    for rank in range(min(MOST_FILLED, int(ranks.max()) + 1)):
        filled = places[(ranks == rank) & (places >= lags)]
        calm.values[filled] = forecast.errors(values, calm.values, filled)[1]


def first_of_bursts(far: Flags, gap: int) -> Flags:
    """Keep the flags (n,) without another one among the `gap` before: later forecasts may err because of the first."""
    return far & ~_has_before(far, gap)


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
    def of(cls, forecast: Forecast, values: Values, calm: Calm, common: float, early: int, *, fills: bool) -> Self:
        """Forecast the standardized values (n,); in `calm`, replace those that only the forecast finds far.

        early: of the values before, only jumps are forecast, because nothing else can be far: forecasting all would
        take most of the time of a single verdict.
        fills: whether to replace far values by forecasts, because these err less than level and season.
        """
        lags, points = forecast.rule.lags, len(values)
        is_jump = np.abs(np.diff(values, prepend=values[0])) > JUMP * common * min(forecast.half_widths)
        matters = is_jump.copy()
        matters[:lags], matters[max(early, lags) :] = False, True
        plain, forecasts = np.full(points, np.nan), np.full(points, np.nan)
        places = np.flatnonzero(matters)
        plain[places], forecasts[places] = forecast.errors(values, values, places)
        if fills:
            _fill(forecast, values, calm)
        errors, calm_forecasts, smaller, changed = plain, forecasts, plain, calm.is_far
        for rounds_left in range(MOST_FORECAST, -1, -1):
            if changed.any():
                places = np.flatnonzero(_has_before(changed, lags) & matters)
                errors, calm_forecasts = errors.copy(), calm_forecasts.copy()
                errors[places], calm_forecasts[places] = forecast.errors(values, calm.values, places)
                smaller = np.where(np.abs(errors) < np.abs(plain), errors, plain)
            far = (forecast.sides.ratios(smaller) > common) & is_jump & ~calm.is_far
            if not (rounds_left and far.any()):
                break
            changed = first_of_bursts(far, lags)
            calm.replace(changed, calm_forecasts)
        return cls(plain, errors, smaller, np.where(smaller == plain, forecasts, calm_forecasts))
