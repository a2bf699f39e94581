"""Cycles of a series: a day, a week, or a detected period, divided into bins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.alarms import interval_of
from shared.domain.detectors.clocks import Clock
from shared.domain.detectors.standards import PERIOD_POINTS, RISE, period_of
from shared.domain.series import Series, Timestamps, Values
from shared.domain.timezones import UTC_NAME

DAY_S, WEEK_S = 86_400.0, 604_800.0
MONDAY = 4 * 86_400  # 1970-01-05, the first Monday of Unix time
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
MOST_BINS = 2_016  # one for every five minutes of a week
FEWEST_CYCLES = 2
BIN_POINTS = 3  # average points of a bin that has any, at least
MOST_FACTOR, MIN_PEAK_RATIO = 40, 0.9  # if the peak at a fraction of the period is nearly as high, that is the period
MANY_TURNS = 40  # with more, the autocorrelation alone shows the period well enough
HARMONICS = 4  # of the period, by which its length is refined
ROUNDED = 0.01  # of the cycle: a period is rounded if that moves no phase of the history by more

Bins = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A duration, 0 if nothing repeats, that is divided into `bins` and begins at `start`."""

    seconds: float
    start: int
    bins: int
    clock: Clock = field(default_factory=Clock)  # whose days and weeks repeat; UTC for a period

    def bin_of(self, timestamps: Timestamps) -> Bins:
        """Return the bin (n,) of each timestamp (n,)."""
        if self.bins == 1:
            return np.zeros(len(timestamps), dtype=np.int64)
        elapsed = np.mod(self.clock.local(timestamps) - self.start, self.seconds)
        # multiplied first: a quotient may be rounded down, into the bin before
        return np.minimum((elapsed * self.bins / self.seconds).astype(np.int64), self.bins - 1)

    def name_of(self, number: int) -> str:
        """Describe when the bin begins, for display."""
        offset = round(number * self.seconds / self.bins)
        zone = self.clock.timezone if self.clock.timezone == UTC_NAME else f"in {self.clock.timezone}"
        clock = f"{offset // 3600 % 24:02}:{offset // 60 % 60:02} {zone}"
        if self.bins == 1:
            return "at any time"
        if self.seconds == DAY_S:
            return f"at {clock}"
        if self.seconds == WEEK_S:
            return f"on {WEEKDAYS[offset // 86_400]} at {clock}"
        return f"{offset:,} s into each cycle of {self.seconds:,.0f} s"


def candidates(series: Series, kinds: Sequence[str], clock: Clock) -> Iterator[Cycle]:
    """Yield the cycles of these kinds (day, week, period) that the series contains at least twice.

    Days and weeks repeat in the local time of `clock`.
    """
    span_s = float(series.timestamps[-1] - series.timestamps[0]) + interval_of(series.timestamps)
    for kind in kinds:
        seconds, start = length_of(kind, series)
        if 0 < FEWEST_CYCLES * seconds <= span_s:
            steps = min(round(seconds / interval_of(series.timestamps)), MOST_BINS)
            finest = Cycle(seconds, start, max(steps, 1), Clock() if kind == "period" else clock)
            occupied = len(np.unique(finest.bin_of(series.timestamps)))
            bins = min(steps, steps * len(series) // (BIN_POINTS * occupied))
            if bins > 1:
                yield replace(finest, bins=bins)


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
        has_risen = peak and correlation[lag] - correlation[:lag].min() > RISE * correlation[0]
        if has_risen and correlation[lag] > MIN_PEAK_RATIO * correlation[round(period)]:
            period /= factor
            break
    times = 2
    while times * period + 2 < len(correlation):
        around = round(times * period)
        period = (around - 2 + int(correlation[around - 2 : around + 3].argmax())) / times
        times *= 2
    return _refined(recent - recent.mean(), period)


def _refined(values: Values, period: float) -> float:
    """Return the period near this one whose harmonics explain most of values (n,), which have a mean of 0.

    The autocorrelation of few noisy repetitions is flat around its maximum, so its place is a bad estimate. A period
    that hardly differs from a whole number of points is rounded to it.
    """
    turns = len(values) / period
    if turns > MANY_TURNS:
        return period
    indices = np.arange(len(values), dtype=np.float64) - (len(values) - 1) / 2
    frequency = 1 / period
    for step in (0.1 / turns, 0.01 / turns):
        near = (frequency * (1 + step * np.arange(-5, 6))).tolist()
        frequency = max(near, key=lambda candidate: _explained(values, indices, candidate))
    period, whole = 1 / frequency, round(1 / frequency)
    return whole if abs(whole - period) / period < ROUNDED / turns else period


def _explained(values: Values, indices: Values, frequency: float) -> float:
    """Return the sum of squares that a wave and its harmonics explain in values (n,) with a mean of 0."""
    harmonics = np.arange(1.0, max(min(HARMONICS, int(0.25 / frequency)), 1) + 1)
    angles = 2 * np.pi * frequency * np.outer(harmonics, indices)
    waves = np.concatenate((np.ones((1, len(values))), np.cos(angles), np.sin(angles)))
    products = waves @ values
    return float(products @ np.linalg.solve(waves @ waves.T, products))
