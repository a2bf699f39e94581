"""Cycles of a series (a day, a week, or a detected period), divided into phase bins with a level and a spread each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.alarms import interval_of
from shared.domain.detectors.standards import PERIOD_POINTS, period_of, robust_spread
from shared.domain.series import Series, Timestamps, Values

DAY_S, WEEK_S = 86_400.0, 604_800.0
MONDAY = 4 * 86_400  # 1970-01-05, the first Monday of Unix time
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
MOST_BINS = 2_016  # one for every five minutes of a week
FEWEST_CYCLES = 2
BIN_POINTS = 3  # average points of a bin, at least
SPREAD_POINTS = 30  # with fewer distances, the spread of a bin borrows from its neighbors
MIN_SPREAD_RATIO = 0.3  # of the typical spread: a minor change in a quiet phase must not be an anomaly
MIN_NOISE_RATIO = 1e-3  # of the spread of the values: the noise that is assumed if there is none
MIN_NOISE = 1e-9  # the same for values that are nearly all equal, and at most 1 in magnitude
MOST_FACTOR, MIN_PEAK_RATIO = 40, 0.9  # if the peak at a fraction of the period is nearly as high, that is the period

Bins = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A duration, 0 if nothing repeats, that is divided into `bins` and begins at `start`."""

    seconds: float
    start: int
    bins: int

    def bin_of(self, timestamps: Timestamps) -> Bins:
        """Return the bin (n,) of each timestamp (n,)."""
        if self.bins == 1:
            return np.zeros(len(timestamps), dtype=np.int64)
        phase = np.mod(timestamps - self.start, self.seconds) / self.seconds
        return np.minimum((phase * self.bins).astype(np.int64), self.bins - 1)

    def name_of(self, number: int) -> str:
        """Describe when the bin begins, for display."""
        offset = round(number * self.seconds / self.bins)
        clock = f"{offset // 3600 % 24:02}:{offset // 60 % 60:02} UTC"
        if self.bins == 1:
            return "at any time"
        if self.seconds == DAY_S:
            return f"at {clock}"
        if self.seconds == WEEK_S:
            return f"on {WEEKDAYS[offset // 86_400]} at {clock}"
        return f"{offset:,} s into each cycle of {self.seconds:,.0f} s"


@dataclass(frozen=True, slots=True)
class Profile:
    """Level and spread of each bin, (bins,)."""

    level: Values
    spread: Values

    @classmethod
    def of(cls, values: Values, bins: Bins, count: int, distances: Values) -> "Profile":
        """Compute each bin's median and robust deviation, including neighboring bins if it has too few values.

        values: (n,), at most 1 in magnitude; bins: (n,). distances: (n,) of the values from levels that were learned
        without them. In-sample distances would be far too small: of three values, one is the median.
        """
        order = np.argsort(bins, kind="stable")
        edges = np.searchsorted(bins[order], np.arange(count + 1))
        typical = max(robust_spread(distances), MIN_NOISE_RATIO * robust_spread(values), MIN_NOISE)
        spread = [1.4826 * float(np.median(part)) for part in _around(distances[order], edges, SPREAD_POINTS)]
        return cls(levels(values, bins, count), np.maximum(spread, MIN_SPREAD_RATIO * typical))


def levels(values: Values, bins: Bins, count: int) -> Values:
    """Return the median (count,) of the values (n,) of each bin; only an empty bin borrows from its neighbors.

    On a slope of the cycle, neighbors have other levels and would bias the median.
    """
    order = np.argsort(bins, kind="stable")
    edges = np.searchsorted(bins[order], np.arange(count + 1))
    return np.array([np.median(part) for part in _around(values[order], edges, 1)])


def _around(ordered: Values, edges: Bins, fewest: int) -> Iterator[Values]:
    """Yield each bin's values, with those of as many bins on both sides as it takes to reach `fewest` values.

    ordered: (n,) values sorted by bin; edges: (bins + 1,) start of each bin. The first bin follows the last.
    """
    count, total = len(edges) - 1, len(ordered)
    repeated = np.concatenate((ordered, ordered, ordered))
    starts = np.concatenate((edges[:-1], edges[:-1] + total, edges + 2 * total))
    middle = np.arange(count, 2 * count)
    reach = np.zeros(count, dtype=np.int64)
    while True:
        lacking = starts[middle + reach + 1] - starts[middle - reach] < fewest
        growing = lacking & (2 * reach + 1 < count)
        if not growing.any():
            break
        reach[growing] += 1
    for low, high in zip(starts[middle - reach].tolist(), starts[middle + reach + 1].tolist(), strict=True):
        yield repeated[low : min(high, low + total)]


def candidates(series: Series, kinds: Sequence[str]) -> Iterator[Cycle]:
    """Yield the cycles of these kinds (day, week, period) that the series contains at least twice."""
    span_s = float(series.timestamps[-1] - series.timestamps[0]) + interval_of(series.timestamps)
    for kind in kinds:
        seconds, start = length_of(kind, series)
        if 0 < FEWEST_CYCLES * seconds <= span_s:
            steps = round(seconds / interval_of(series.timestamps))
            bins = max(min(steps, MOST_BINS, len(series) // BIN_POINTS), 1)
            if bins > 1:
                yield Cycle(seconds, start, bins)


def length_of(kind: str, series: Series) -> tuple[float, int]:
    """Return the cycle's length in seconds, 0 if no period is found, and when a cycle begins."""
    if kind == "day":
        return DAY_S, 0
    if kind == "week":
        return WEEK_S, MONDAY
    return _period(series.values) * interval_of(series.timestamps), int(series.timestamps[0])


def _period(values: Values) -> float:
    """Return the period in points: the shortest among its multiples, measured over as many cycles as possible."""
    recent = values[-PERIOD_POINTS:] - np.median(values)
    largest = float(np.abs(recent).max())
    recent = recent / largest if largest else recent
    period = float(period_of(recent))
    if not period:
        return 0.0
    spectrum = np.fft.rfft(recent - recent.mean(), 1 << (2 * len(recent) - 1).bit_length())
    correlation = np.fft.irfft(spectrum * spectrum.conj())[: len(recent) // 2]
    for factor in range(MOST_FACTOR, 1, -1):
        lag = round(period / factor)
        peak = lag >= 4 and correlation[lag] > max(correlation[lag - 2], correlation[lag + 2])
        if peak and correlation[lag] > MIN_PEAK_RATIO * correlation[round(period)]:
            period /= factor
            break
    times = 2
    while times * period + 2 < len(correlation):
        around = round(times * period)
        period = (around - 2 + int(correlation[around - 2 : around + 3].argmax())) / times
        times *= 2
    return period
