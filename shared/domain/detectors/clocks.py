"""Clocks: the local time of timestamps, in which days and weeks repeat."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from shared.domain.detectors.standards import robust_spread
from shared.domain.series import DAY_S, Timestamps, Values
from shared.domain.timezones import UTC_NAME, offsets

HOUR_S = 3_600
WINDOW_DAYS = 28  # before and after a clock change that are compared
FEWEST_DAYS = 2
LEFT = 0.4  # of the squared difference between both profiles: a clock change must leave less than this
CLEAR = 80.0  # variances of the noise: how much of that difference it must remove
LARGEST = 10.0  # spreads: values are clipped here when days are compared


@dataclass(frozen=True, slots=True)
class Clock:
    """A time zone, and the changes of the clock that the training data shows beyond it."""

    timezone: str = UTC_NAME
    changes: Timestamps = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # (c,) when the clock changed
    shifts_s: Timestamps = field(default_factory=lambda: np.zeros(1, dtype=np.int64))  # (c + 1,) before, between, after

    def local(self, timestamps: Timestamps) -> Timestamps:
        """Return the local times (n,) of timestamps (n,), in seconds; after the last change, those of the time zone."""
        if len(self.changes):
            timestamps = timestamps + self.shifts_s[np.searchsorted(self.changes, timestamps, "right")]
        if self.timezone == UTC_NAME:
            return timestamps
        return timestamps + offsets(timestamps, self.timezone)

    @classmethod
    def of(cls, timestamps: Timestamps, values: Values, timezone: str) -> "Clock":
        """Find clock changes in points (n,) in order of time: daily rhythms that move by an hour and stay there."""
        zoned = cls(timezone)
        changes, shifts = _found_changes(zoned.local(timestamps), values)
        if not changes:
            return zoned
        firsts = np.searchsorted(zoned.local(timestamps), np.array(changes))
        after = np.cumsum(shifts[::-1])[::-1]
        return cls(timezone, timestamps[firsts], np.append(after, 0).astype(np.int64))

    @property
    def found(self) -> str:
        """A sentence about the changes that were found; empty if there are none."""
        if not len(self.changes):
            return ""
        dates = ", ".join(f"{datetime.fromtimestamp(change, UTC):%Y-%m-%d}" for change in self.changes.tolist())
        return (
            f"The daily rhythm moved by an hour on {dates}; earlier points were moved too. If clocks changed, set "
            "the parameter timezone: the next change then raises no alarms."
        )


def _found_changes(local: Timestamps, values: Values) -> tuple[list[int], list[int]]:
    """Return the local times of midnights at which the daily rhythm moved, and by how many seconds each time.

    For every midnight, the mean days of up to four weeks before and after are compared: as they are, and with the one
    before moved by an hour.
    """
    days, first = _days(local, values)
    if days is None:
        return [], []
    gains, shifts = _gains(days)
    changes: dict[int, int] = {}
    while len(gains) and gains.max() > CLEAR:
        place = int(gains.argmax())
        changes[(first + FEWEST_DAYS + place) * DAY_S] = int(shifts[place]) * HOUR_S
        gains[max(place - WINDOW_DAYS + 1, 0) : place + WINDOW_DAYS] = 0.0
    ordered = sorted(changes)
    return ordered, [changes[change] for change in ordered]


def _days(local: Timestamps, values: Values) -> tuple[Values | None, int]:
    """Return the mean of each hour of each day (days, 24), NaN where there is none, and the number of the first day.

    None if the points are too sparse to have a daily rhythm.
    """
    first = int(local[0]) // DAY_S
    count = int(local[-1]) // DAY_S - first + 1
    if count < 2 * FEWEST_DAYS or len(values) < 8 * count:
        return None, first
    spread = robust_spread(values)
    clipped = np.clip((values - np.median(values)) / (spread or 1.0), -LARGEST, LARGEST)
    cell_of = np.clip(local // HOUR_S - 24 * first, 0, 24 * count - 1)
    counts = np.bincount(cell_of, minlength=24 * count)
    sums = np.bincount(cell_of, weights=clipped, minlength=24 * count)
    with np.errstate(invalid="ignore"):
        return (sums / np.where(counts > 0, counts, np.nan)).reshape(count, 24), first


def _gains(days: Values) -> tuple[Values, Timestamps]:
    """Return what a clock change would explain at each midnight (m,), in variances of the noise, and its hours (m,)."""
    count = len(days)
    middle = np.arange(FEWEST_DAYS, count - FEWEST_DAYS + 1)
    before = _mean_days(days, np.maximum(middle - WINDOW_DAYS, 0), middle)
    after = _mean_days(days, middle, np.minimum(middle + WINDOW_DAYS, count))
    plain = _squared(before, after)
    noise = _noise(days)
    lengths_before = np.minimum(middle, WINDOW_DAYS)
    lengths_after = np.minimum(count - middle, WINDOW_DAYS)
    weight = lengths_before * lengths_after / (lengths_before + lengths_after)
    best, hours = np.zeros(len(middle)), np.zeros(len(middle), dtype=np.int64)
    for hour in (-1, 1):
        moved = _squared(np.roll(before, hour, axis=1), after)
        gain = np.where(moved < LEFT * plain, (plain - moved) * weight / noise, 0.0)
        hours[gain > best] = hour
        best = np.maximum(best, gain)
    return best, hours


def _noise(days: Values) -> float:
    """Return the variance of an hour's mean from day to day; most days are followed by a day like them."""
    squares = np.diff(days, axis=0) ** 2
    known = squares[~np.isnan(squares).all(axis=1)]
    usual = float(np.median(np.nanmean(known, axis=1))) / 2 if len(known) else 1.0
    return max(usual, 1e-6)


def _mean_days(days: Values, starts: Timestamps, ends: Timestamps) -> Values:
    """Return the mean days (m, 24) from `starts` (m,) up to `ends` (m,), less their own mean."""
    known = ~np.isnan(days)
    sums = np.concatenate((np.zeros((1, 24)), np.cumsum(np.where(known, days, 0.0), axis=0)))
    counts = np.concatenate((np.zeros((1, 24)), np.cumsum(known, axis=0)))
    inside = counts[ends] - counts[starts]
    means = (sums[ends] - sums[starts]) / np.where(inside > 0, inside, np.nan)
    is_known = inside > 0
    mean = np.where(is_known, means, 0.0).sum(axis=1) / np.maximum(is_known.sum(axis=1), 1)
    centered: Values = means - mean[:, None]
    return centered


def _squared(before: Values, after: Values) -> Values:
    """Return the squared distances (m,) of mean days (m, 24), over the hours that both know."""
    squares = np.nan_to_num((before - after) ** 2)
    return np.asarray(squares.sum(axis=1), dtype=np.float64)
