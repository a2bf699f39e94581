"""What repeats in a series: a day, a week, or a period found in it, in bins of phase; and how the bins are filled."""

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
MOST_BINS = 2_016  # five minutes of a week
FEWEST_CYCLES = 2
LEVEL_POINTS, SPREAD_POINTS = 3, 30  # fewest that a bin's level and spread are taken from: else its neighbors help
MIN_SPREAD_RATIO = 0.3  # of the usual spread: one quiet phase must not make its next ripple an anomaly
MIN_NOISE_RATIO = 1e-3  # of the spread of the values: what is taken for noise where there is none
MIN_NOISE = 1e-9  # the same where the values are all alike, of values of at most 1
MOST_FACTOR, MIN_PEAK_RATIO = 40, 0.9  # a peak nearly as high at a fraction of the period is the period

Bins = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A length of time, 0 where nothing repeats, that is cut into `bins` from `start` on."""

    seconds: float
    start: int
    bins: int

    def bin_of(self, timestamps: Timestamps) -> Bins:
        """The bin (n,) of each timestamp (n,)."""
        if self.bins == 1:
            return np.zeros(len(timestamps), dtype=np.int64)
        phase = np.mod(timestamps - self.start, self.seconds) / self.seconds
        return np.minimum((phase * self.bins).astype(np.int64), self.bins - 1)

    def name_of(self, number: int) -> str:
        """When the bin begins, for people."""
        offset = round(number * self.seconds / self.bins)
        clock = f"{offset // 3600 % 24:02}:{offset // 60 % 60:02} UTC"
        if self.bins == 1:
            return "at any time"
        if self.seconds == DAY_S:
            return f"at {clock}"
        if self.seconds == WEEK_S:
            return f"on {WEEKDAYS[offset // 86_400]} {clock}"
        return f"{offset:,} s into each {self.seconds:,.0f} s"


@dataclass(frozen=True, slots=True)
class Profile:
    """Level and spread of each bin, (bins,)."""

    level: Values
    spread: Values

    @classmethod
    def of(cls, values: Values, bins: Bins, count: int) -> "Profile":
        """Medians and robust deviations of each bin's values, with those of its neighbors where it has too few.

        values: (n,), at most 1 in size; bins: (n,).
        """
        order = np.argsort(bins, kind="stable")
        edges = np.searchsorted(bins[order], np.arange(count + 1))
        level = np.array([np.median(part) for part in _around(values[order], edges, LEVEL_POINTS)])
        distances = np.abs(values - level[bins])
        usual = max(robust_spread(distances), MIN_NOISE_RATIO * robust_spread(values), MIN_NOISE)
        spread = [1.4826 * float(np.median(part)) for part in _around(distances[order], edges, SPREAD_POINTS)]
        return cls(level, np.maximum(spread, MIN_SPREAD_RATIO * usual))


def _around(ordered: Values, edges: Bins, fewest: int) -> Iterator[Values]:
    """For each bin its values, and those of as many bins on both sides as it takes to have `fewest`.

    ordered: (n,) values by bin; edges: (bins + 1,) where each bin begins. The first bin follows the last.
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


def candidates(series: Series, wanted: Sequence[str]) -> Iterator[Cycle]:
    """The cycles of the wanted kinds (day, week, period) that the series holds at least twice."""
    span_s = float(series.timestamps[-1] - series.timestamps[0]) + interval_of(series.timestamps)
    for kind in wanted:
        seconds, start = length_of(kind, series)
        if 0 < FEWEST_CYCLES * seconds <= span_s:
            steps = round(seconds / interval_of(series.timestamps))
            bins = max(min(steps, MOST_BINS, len(series) // LEVEL_POINTS), 1)
            if bins > 1:
                yield Cycle(seconds, start, bins)


def length_of(kind: str, series: Series) -> tuple[float, int]:
    """Seconds, and when one begins; 0 seconds where no period is found."""
    if kind == "day":
        return DAY_S, 0
    if kind == "week":
        return WEEK_S, MONDAY
    return _period(series.values) * interval_of(series.timestamps), int(series.timestamps[0])


def _period(values: Values) -> float:
    """The period in points, the shortest of those that differ by a factor; measured over as many turns as there are."""
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
