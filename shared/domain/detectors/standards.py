"""Properties of a whole series: level and spread, period, gaps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.domain.series import Flags, Timestamps, Values

LARGEST_STANDARDIZED = 1e6  # limit of standardized values, so that every sum of squares is finite
SATURATION = 20.0  # spreads from the level: forecasts and rhythms clip values here, so that no outlier dominates
OUTLIER = 30.0  # spreads from the level: a training value farther out is an error,
MOST_OUTLIERS = 0.001  # unless more than this share of the values is
WINSORIZED_AT = 10.0  # robust deviations from the level: values are clipped here before the spread is computed
LONGEST_PERIOD = 400
PERIOD_POINTS = 20_000
RISE = 0.1  # of the variance: how far the autocorrelation must rise again at a period
GAP = 3.0  # median intervals

Indices = NDArray[np.int64]  # of points


@dataclass(frozen=True, slots=True)
class Standard:
    """A level and a spread, both robust to a few outliers."""

    center: float
    spread: float

    @classmethod
    def of(cls, values: Values) -> "Standard":
        """Compute the median, and the standard deviation of the values winsorized at ten robust deviations from it."""
        center = float(np.median(values))
        with np.errstate(over="ignore"):
            reach = WINSORIZED_AT * robust_spread(values)
            winsorized = np.clip(values, center - reach, center + reach)
        largest = float(np.abs(winsorized - center).max())
        if largest == 0.0:
            return cls(center, float(np.spacing(abs(center))))
        scaled = (winsorized - center) / largest
        return cls(center, max(float(scaled.std()) * largest, float(np.spacing(0.0))))

    def standardized(self, values: Values) -> Values:
        """Return distances from the level in spreads, clipped at `LARGEST_STANDARDIZED`."""
        with np.errstate(over="ignore"):
            return np.clip((values - self.center) / self.spread, -LARGEST_STANDARDIZED, LARGEST_STANDARDIZED)


def saturated(standardized: Values) -> Values:
    """Clip standardized values at `SATURATION`."""
    return np.clip(standardized, -SATURATION, SATURATION)


def robust_spread(values: Values) -> float:
    """Return 1.4826 times the median absolute deviation, or a substitute if most values are equal.

    If more than half of the values are equal, the central 80 % determine the spread; if these are equal as well, the
    root mean square deviation from the median does.
    """
    median = np.median(values)
    deviations = np.abs(values - median)
    largest = float(deviations.max())
    if largest == 0.0:
        return 0.0
    deviations /= largest
    spread = 1.4826 * float(np.median(deviations))
    low, high = np.quantile((values - median) / largest, (0.1, 0.9))
    middle = float(high - low) / 2.563
    if spread < 1e-3 * middle:
        spread = middle
    return (spread or float(np.sqrt(np.mean(deviations**2)))) * largest


def without_outliers(values: Values, most_outliers: float = MOST_OUTLIERS) -> Values:
    """Replace a few outliers among standardized values by linear interpolation between their neighbors.

    One wrong reading would otherwise be in every window around it and make those windows look normal. If more than a
    share `most_outliers` of the values are outliers, they belong to the series, and it is returned unchanged.
    """
    outliers = np.abs(values) > OUTLIER
    if not outliers.any() or outliers.mean() > most_outliers:
        return values
    indices = np.arange(len(values))
    return np.interp(indices, indices[~outliers], values[~outliers])


def period_of(values: Values) -> int:
    """Return the lag, 4 to 400 points, of the highest local maximum of the autocorrelation; 0 if there is none.

    The autocorrelation must have fallen and risen again: in a slow cycle with noise, the first lags correlate most.
    """
    recent = values[-PERIOD_POINTS:]
    longest = min(LONGEST_PERIOD, len(recent) // 3)
    if longest < 5:
        return 0
    centered = recent - recent.mean()
    spectrum = np.fft.rfft(centered, 1 << (2 * len(recent) - 1).bit_length())
    correlation = np.fft.irfft(spectrum * spectrum.conj())[: longest + 1]
    inner = correlation[4:longest]
    has_risen = inner - np.minimum.accumulate(correlation)[3 : longest - 1] > RISE * correlation[0]
    is_highest = (inner > correlation[3 : longest - 1]) & (inner > correlation[5 : longest + 1])
    peaks = np.flatnonzero(has_risen & is_highest)
    return int(peaks[inner[peaks].argmax()]) + 4 if len(peaks) else 0


def is_after_gap(timestamps: Timestamps) -> Flags:
    """Flag the points (n,) that come more than three median intervals after the one before."""
    distances = np.diff(timestamps)
    return np.concatenate(([False], distances > GAP * np.median(distances)))
