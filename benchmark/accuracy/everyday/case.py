"""A case: how its values are generated, and which anomalies are put into its future."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.domain.series import Series, Timestamps, Values

START = 1_767_571_200  # Monday, 2026-01-05
MINUTE, HOUR, DAY = 60, 3_600, 86_400

Random = np.random.Generator
Change = Callable[[Values, Values], Values]  # of the normal values of a stretch, and all values before it
Generate = Callable[[Timestamps, Random], Values]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A change of `length` values of the future, from index `start` on."""

    name: str  # numbers without a unit are points
    start: int
    length: int
    change: Change


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of everyday series."""

    name: str
    points: int  # of the history
    interval_s: float  # negative: the mean of intervals that are exponentially distributed
    future: int  # points
    anomalies: Sequence[Anomaly]
    values: Generate
    gaps: Sequence[tuple[int, int]] = ()  # intervals without points: the first one and how many, counted from the start

    def series(self, seed: int) -> Series:
        """Generate history and normal future."""
        random = np.random.default_rng(seed)
        points = self.points + self.future
        if self.interval_s < 0:
            intervals = np.maximum(random.exponential(-self.interval_s, points).astype(np.int64), 1)
            timestamps = START + np.cumsum(intervals)
        else:
            places = np.arange(points + sum(length for _, length in self.gaps))
            for first, length in self.gaps:
                places = places[(places < first) | (places >= first + length)]
            timestamps = START + round(self.interval_s) * places
        return Series(timestamps, np.asarray(self.values(timestamps, random), dtype=np.float64))

    def changed(self, values: Values, anomaly: Anomaly) -> Values:
        """Return history and future (n,) with one anomaly."""
        changed = values.copy()
        stretch = slice(self.points + anomaly.start, self.points + anomaly.start + anomaly.length)
        changed[stretch] = anomaly.change(values[stretch].copy(), values[: stretch.start])
        return changed


def constant(value: float) -> Change:
    """Replace the values with `value`."""
    return lambda normal, _before: np.full(len(normal), value)


def times(factor: float) -> Change:
    """Multiply the values."""
    return lambda normal, _before: normal * factor


def plus(amount: float) -> Change:
    """Add to the values."""
    return lambda normal, _before: normal + amount


def stuck(normal: Values, before: Values) -> Values:
    """Repeat the value right before the stretch."""
    return np.full(len(normal), before[-1])


def louder(factor: float) -> Change:
    """Multiply the distances from the mean of the stretch."""
    return lambda normal, _before: normal.mean() + factor * (normal - normal.mean())


def rounded(values: Any, digits: int = 0) -> Values:
    """Round values (n,) with a known type, which NumPy's stubs lack."""
    return np.asarray(np.round(values, digits), dtype=np.float64)


def hour_of(timestamps: Timestamps) -> Values:
    """Return the hour of the day (n,), 0 to 24."""
    return timestamps % DAY / HOUR


def weekday_of(timestamps: Timestamps) -> Timestamps:
    """Return the day of the week (n,), 0 = Monday."""
    return (timestamps - START) // DAY % 7


def working_day(timestamps: Timestamps) -> Values:
    """Return a load (n,) of about 1 by day and 0.35 by night."""
    return 0.35 + 0.65 * np.clip(np.sin((hour_of(timestamps) - 6) / 24 * 2 * np.pi), -0.6, 1) * 0.8


def autoregressive(random: Random, points: int, memory: float, step: float) -> Values:
    """Return a first-order autoregressive process (points,)."""
    values, steps = np.empty(points), random.normal(0, step, points)
    values[0] = steps[0]
    for place in range(1, points):
        values[place] = memory * values[place - 1] + steps[place]
    return values
