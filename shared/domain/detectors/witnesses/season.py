"""Season: a value far from the usual one at this time of day, week or year.

So it also detects a regular event that did not happen.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shared.domain.detectors.clocks import Clock
from shared.domain.detectors.profiles import unseen_bins
from shared.domain.detectors.standards import robust_spread
from shared.domain.detectors.witnesses.calibration import Sides
from shared.domain.series import Flags, Timestamps, Values
from shared.domain.timezones import UTC_NAME

HOUR_S, DAY_S, WEEK_S, YEAR_S = 3_600, 86_400, 604_800, 31_556_952
MONDAY = 4 * DAY_S  # 1970-01-05, the first Monday of Unix time
CYCLES = ((DAY_S, 288), (WEEK_S, 2_016), (YEAR_S, 12))  # seconds, and most bins
CYCLE_NAMES = {DAY_S: "day", WEEK_S: "week", YEAR_S: "year"}
FEWEST_BINS, FEWEST_TURNS = 4, 2.95  # a turn is one repetition of the cycle
MOST_TURNS, MOST_POINTS, MOST_FOLDS = 120, 100_000, 8  # of the history that are learned from
MOST_FOLLOWED = 1_440  # points of a day: each verdict needs them as context
GAIN = 0.8  # of the error of a simpler model: less than this must remain
STEEP = 0.5  # of the profile's range: where it changes more within an hour, no clock change is tolerated
PEAK = 6.0  # widths, by which an event stands out from the levels around it
LARGEST = 10.0  # residuals are clipped here when errors are compared
WIDTH_POINTS = 30  # fewest residuals that the width of a bin is taken from

Bins = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Season:
    """The profile of a cycle: levels and widths of `bins` equal parts of it, in standardized values."""

    cycle_s: int
    levels: Values  # (bins,)
    widths: Values  # (bins,)
    interval_s: float
    following: int  # previous points whose median residual is added to the level; 0 = none
    clock_bins: int  # bins in an hour: the clock may change by one hour
    sides: Sides  # in widths
    error: float  # mean absolute residual, held out
    clock: Clock = field(default_factory=Clock)

    def bins_of(self, timestamps: Timestamps) -> Bins:
        """Return the bin (m,) of each timestamp (m,)."""
        return _bins_of(self.clock.local(timestamps), self.cycle_s, len(self.levels))

    def residuals(self, timestamps: Timestamps, values: Values) -> tuple[Values, Values]:
        """Return the residuals (m,) of standardized values (m,) in widths, and the expected values (m,).

        The clocks may have changed: on a slope of the profile, the nearest level within an hour is expected. Both are
        NaN for the first values of a season that follows the level, because they have too few others before them.
        """
        bins = self.bins_of(timestamps)
        expected = self.levels[bins]
        if self.following:
            phase = int(timestamps[0] / self.interval_s)
            expected = expected + rolling_median(values - expected, self.following, phase)
            expected[: self.need] = np.nan  # the level of the last day is unknown
        below, above = self._clock_tolerance()
        low, high = expected - below[bins], expected + above[bins]
        distances = np.where(values > high, values - high, np.minimum(values - low, 0.0))  # NaN if unknown
        return distances / self.widths[bins], expected

    def _clock_tolerance(self) -> tuple[Values, Values]:
        """Return how far the levels an hour earlier and later are below and above each level (bins,).

        0 where they differ by much of the profile's range, or where a level stands out from both: that is an event,
        whose absence is an anomaly.
        """
        earlier, later = np.roll(self.levels, self.clock_bins), np.roll(self.levels, -self.clock_bins)
        low, high = np.minimum(earlier, later), np.maximum(earlier, later)
        sticks_out = np.maximum(self.levels - high, low - self.levels) > PEAK * self.widths
        low, high = np.minimum(low, self.levels), np.maximum(high, self.levels)
        is_exact = sticks_out | (high - low > STEEP * np.ptp(self.levels))
        return np.where(is_exact, 0.0, self.levels - low), np.where(is_exact, 0.0, high - self.levels)

    def half_widths(self, timestamps: Timestamps) -> tuple[Values, Values]:
        """Return the widths (m,) of the band above and below what is expected at timestamps (m,)."""
        widths = self.widths[self.bins_of(timestamps)]
        return widths * self.sides.upper, widths * self.sides.lower

    def with_clock(self, clock: Clock) -> "Season":
        """Return the season in the time of the clock; a known time zone needs no tolerance for changes of the clock."""
        is_tolerant = clock.timezone == UTC_NAME
        return replace(self, clock=clock, clock_bins=self.clock_bins if is_tolerant else 0)

    def learnt(self) -> dict[str, float | str]:
        """Return the cycle, and the clock changes that were found."""
        changes = {"clock_changes": found} if (found := self.clock.found) else {}
        return {"cycle": CYCLE_NAMES[self.cycle_s], **changes}

    @property
    def need(self) -> int:
        """Number of values before a point that affect its expected value."""
        return self.following + self.following // 24 + 1 if self.following else 0


def _bins_of(timestamps: Timestamps, cycle_s: int, bins: int) -> Bins:
    return np.minimum((timestamps - MONDAY) % cycle_s * bins // cycle_s, bins - 1).astype(np.int64)


def rolling_median(values: Values, points: int, phase: int = 0) -> Values:
    """Return the median of at most `points` values before each of values (m,); recomputed every points / 24.

    phase: the number of the first value, counted from any fixed point in time. So a value has the same median in any
    batch, provided that the values before it are known.
    """
    stride = max(points // 24, 1)
    phase %= stride
    padded = np.concatenate((np.full(points + phase, np.nan), values))
    windows = sliding_window_view(padded[:-1], points)[::stride]
    partial = (points + phase) // stride + 1  # windows that begin before the first value
    first = [float(np.median(known)) if len(known := row[~np.isnan(row)]) else 0.0 for row in windows[:partial]]
    rest = np.median(windows[partial:], axis=1) if len(windows) > partial else np.empty(0)
    return np.repeat(np.concatenate((first, rest)), stride)[phase : phase + len(values)]


def fit_season(
    timestamps: Timestamps, values: Values, usable: Flags, interval_s: float, share: float, timezone: str
) -> tuple[Season, Values, Values] | None:
    """Choose the cycle that explains held-out turns best; None if no cycle is worth it.

    Cycles repeat in the local time of `timezone`; changes of the clock beyond that are found.

    timestamps, values, usable: (n,); values are standardized. Also returns the residuals (n,) of each turn, in widths,
    and the expected values (n,), by a profile learned without that turn; NaN for points that are too old.
    """
    points, span_s = len(values), timestamps[-1] - timestamps[0] + interval_s
    timestamps, values, usable = timestamps[-MOST_POINTS:], values[-MOST_POINTS:], usable[-MOST_POINTS:]
    known = values[usable]
    clock = Clock.of(timestamps[usable], known, timezone)
    local = clock.local(timestamps)
    deviations = values - np.median(known)
    level_error, followed_error = (
        _error(deviations[usable]),
        _error(_following(deviations, usable, interval_s, DAY_S)[0][usable]),
    )
    best: tuple[Season, Values, Values] | None = None
    for cycle_s, most_bins in CYCLES:
        bins = int(min(round(cycle_s / interval_s), most_bins))
        if bins < FEWEST_BINS or span_s < FEWEST_TURNS * cycle_s:
            continue
        part = slice(int(np.searchsorted(timestamps, timestamps[-1] - MOST_TURNS * cycle_s)), None)
        season, *held_out = _trial(local[part], values[part], usable[part], interval_s, share, (cycle_s, bins))
        simpler = followed_error if season.following else level_error
        if season.error < GAIN * min(best[0].error if best else level_error, simpler):
            older = np.full(points - len(held_out[0]), np.nan)
            residuals, expected = (np.concatenate((older, column)) for column in held_out)
            best = season.with_clock(clock), residuals, expected
    return best


def _error(residuals: Values) -> float:
    return float(np.minimum(np.abs(residuals), LARGEST).mean())


def _trial(
    timestamps: Timestamps, values: Values, usable: Flags, interval_s: float, share: float, cycle: tuple[int, int]
) -> tuple[Season, Values, Values]:
    """Fit a cycle of (seconds, bins), and judge each turn by a profile learned without it."""
    cycle_s, bins = cycle
    bin_of = _bins_of(timestamps, cycle_s, bins)
    turn = (timestamps - MONDAY) // cycle_s
    turn -= turn.min()
    turns = int(turn.max()) + 1
    cells = _cells(values[usable], (turn * bins + bin_of)[usable], turns, bins)
    folds = min(turns, MOST_FOLDS)
    fold_of_turn = np.arange(turns) * folds // turns
    held_out = np.array([_median_profile(cells[fold_of_turn != fold]) for fold in range(folds)])
    residuals = values - held_out[fold_of_turn[turn], bin_of]
    residuals, following = _following(residuals, usable, interval_s, cycle_s)
    expected = values - residuals
    error = _error(residuals[usable])
    widths = _bin_widths(np.abs(residuals[usable]), bin_of[usable], bins, error)
    # a profile of fewer turns is less certain: the median of k values has 1.57 times the variance of their mean
    fewer = turns - turns / folds
    residuals = residuals / widths[bin_of] * np.sqrt((1 + 1.57 / turns) / (1 + 1.57 / fewer))
    residuals[~usable] = np.nan
    clock_bins = round(HOUR_S * bins / cycle_s) if cycle_s < YEAR_S and interval_s <= HOUR_S else 0
    sides = Sides.of(residuals, share, 1.0)
    levels, known = _median_profile(cells), values[usable]
    unseen = unseen_bins(bin_of[usable], bins)
    levels[unseen] = np.median(known)  # at hours without training points, all the others are the only guide
    widths[unseen] = max(robust_spread(known), error)
    return (
        Season(cycle_s, levels, widths, interval_s, following, clock_bins, sides, error),
        residuals,
        expected,
    )


def _following(residuals: Values, usable: Flags, interval_s: float, cycle_s: int) -> tuple[Values, int]:
    """Follow the level of the last day, if that explains more; return the residuals (n,), and over how many points."""
    points = int(max(DAY_S, 3 * interval_s) / interval_s) if cycle_s < YEAR_S else 0
    if not 3 <= points <= MOST_FOLLOWED:
        return residuals, 0
    moved = residuals - rolling_median(residuals, points)
    return (moved, points) if _error(moved[usable]) < GAIN * _error(residuals[usable]) else (residuals, 0)


def _cells(values: Values, cell_of: Bins, turns: int, bins: int) -> Values:
    """Return the mean value of each bin of each turn (turns, bins); NaN where there is none."""
    counts = np.bincount(cell_of, minlength=turns * bins)
    sums = np.bincount(cell_of, weights=values, minlength=turns * bins)
    cells = np.full(turns * bins, np.nan)
    cells[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return cells.reshape(turns, bins)


def _median_profile(cells: Values) -> Values:
    """Return the median (bins,) of the turns (turns, bins); interpolated where no turn has a value."""
    is_empty = np.isnan(cells).all(axis=0)
    profile = np.zeros(cells.shape[1])
    if is_empty.all():
        return profile
    profile[~is_empty] = np.nanmedian(cells[:, ~is_empty], axis=0)
    profile[is_empty] = np.interp(np.flatnonzero(is_empty), np.flatnonzero(~is_empty), profile[~is_empty])
    return profile


def _bin_widths(distances: Values, bin_of: Bins, bins: int, usual: float) -> Values:
    """Return the robust spread (bins,) of the distances (m,) in each bin, with its neighbors if it has too few."""
    order = np.argsort(bin_of, kind="stable")
    distances, edges = distances[order], np.searchsorted(bin_of[order], np.arange(bins + 1))
    lacking = max(0, WIDTH_POINTS - len(distances) // bins) * bins // max(len(distances), 1)
    reach = min((lacking + 1) // 2, bins // 8)
    widths = np.empty(bins)
    for place in range(bins):
        part = distances[edges[max(place - reach, 0)] : edges[min(place + reach + 1, bins)]]
        widths[place] = max(1.4826 * np.median(part), np.quantile(part, 0.9) / 1.645) if len(part) else usual
    return np.maximum(widths, max(0.3 * usual, 1e-9))
