"""Recent: the mean of the last residuals is unusual, or the last errors are unusually large or small.

It detects what no single point shows: a short shift, and noise that grows or stops.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.standards import robust_spread
from shared.domain.detectors.witnesses.calibration import NEWEST, Sides, student_t
from shared.domain.series import Values

WINDOWS = (16, 64)  # points
LONGEST_WINDOW = max(WINDOWS)
FEWEST_WINDOWS = 8  # the history must be at least this many windows long
LARGEST = 8.0  # residuals are clipped here, so that one spike is not a shift


@dataclass(frozen=True, slots=True)
class Recent:
    """Moving means, one for each of k windows and kinds, with the boundaries of their distance from the usual mean."""

    windows: NDArray[np.int64]  # (k,) points
    of_sizes: NDArray[np.bool_]  # (k,) whether it is the mean size of forecast errors, not the mean of residuals
    centers: Values  # (k,)
    upper: Values  # (k,)
    lower: Values  # (k,)

    def ratios(self, residuals: Values | None, errors: Values | None, points: int) -> Values:
        """Return the largest ratio (m,) of all moving means of m = `points` points; NaN while no window is full.

        residuals, errors: (m,) of the level or the season, and of the forecast, in spreads; the first may be NaN.
        """
        largest = np.full(points, np.nan)
        columns = (self.windows, self.of_sizes, self.centers, self.upper, self.lower)
        sums = (
            None if residuals is None else _Sums.of(_means(residuals)),
            None if errors is None else _Sums.of(_sizes(errors)),
        )
        for window, of_sizes, center, upper, lower in zip(*(column.tolist() for column in columns), strict=True):
            of_source = sums[of_sizes]
            if of_source is not None:
                largest = np.fmax(largest, Sides(upper, lower).ratios(of_source.means(window) - center))
        return largest


@dataclass(frozen=True, slots=True)
class _Sums:
    """Cumulative sums (m + 1,) of m values, in which unknown ones count as 0."""

    sums: Values
    first_known: int

    @classmethod
    def of(cls, source: Values) -> "_Sums":
        """Add up values (m,), NaN for unknown ones."""
        is_unknown = np.isnan(source)
        sums = np.zeros(len(source) + 1)
        np.cumsum(np.where(is_unknown, 0.0, source), out=sums[1:])
        return cls(sums, len(source) if is_unknown.all() else int(is_unknown.argmin()))

    def means(self, window: int) -> Values:
        """Return the means (m,) of the last `window` values, NaN while fewer are known."""
        means = np.full(len(self.sums) - 1, np.nan)
        first = self.first_known + window - 1
        if first < len(means):
            means[first:] = (self.sums[first + 1 :] - self.sums[first + 1 - window : -window]) / window
        return means


def _means(residuals: Values) -> Values:
    return np.minimum(np.maximum(residuals, -LARGEST), LARGEST)


def _sizes(errors: Values) -> Values:
    return np.minimum(np.abs(errors), LARGEST)


def trailing_mean(values: Values, window: int) -> Values:
    """Return the means (m,) of the last `window` of values (m,); of fewer at the start."""
    sums = np.cumsum(values)
    means = sums / np.minimum(np.arange(1, len(values) + 1), window)
    means[window:] = (sums[window:] - sums[:-window]) / window
    return np.asarray(means)


def fit_recent(
    residuals: Values | None, errors: Values | None, share: float, newest: int = NEWEST
) -> tuple[Recent, Values]:
    """Learn from held-out residuals and errors (n,); None if there are none.

    Also returns the ratios (n,) of the `newest` points, NaN where a window is not full. A history holds only n / w
    independent means of w points: Student's t for that number is a lower limit of the boundary.
    """
    points = len(residuals if residuals is not None else errors if errors is not None else ())
    ratios = np.full(points, np.nan)
    rows: list[tuple[int, bool, float, float, float]] = []
    for window in WINDOWS:
        for of_sizes, source in ((False, residuals), (True, errors)):
            if source is None or points < FEWEST_WINDOWS * window:
                continue
            last = source[-newest - window :]
            means = _Sums.of(_sizes(last) if of_sizes else _means(last)).means(window)
            known = means[-NEWEST:][~np.isnan(means[-NEWEST:])]
            if len(known) == 0:
                continue
            center = float(np.median(known))
            least = student_t(share / 4, max(points / window - 1, 3)) * max(robust_spread(known), 1e-12)
            sides = Sides.of(known - center, share / 2).at_least(least)
            ratios[-len(means) :] = np.fmax(ratios[-len(means) :], sides.ratios(means - center))
            rows.append((window, of_sizes, center, sides.upper, sides.lower))
    windows, kinds, *numbers = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    columns = (np.array(column, dtype=np.float64) for column in numbers)
    return Recent(np.array(windows, dtype=np.int64), np.array(kinds, dtype=np.bool_), *columns), ratios
