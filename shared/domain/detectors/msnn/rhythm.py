"""Rhythm: what a value usually is at its place in a period, and how far values that were held out are from it.

Unlike windows and forecasts, which follow a series wherever it goes, places in a period know what should be there: a
shift, a flat line or a missing peak stays unusual as long as it lasts.
"""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.msnn.weighing import ERROR_FLOOR, RECENT, trust_in, usual
from shared.domain.detectors.standards import Places, saturated
from shared.domain.series import Values

FOLDS = 5
POINTS = 4_000  # of each fifth, at most: the newest
MIN_CYCLES = 4  # fewest periods that show a rhythm
MOST_PLACES = 2_016  # five minutes of a week
CHECKED_LAGS = 8 * np.arange(1, 17)  # points before a value that must have kept the rhythm, half of them at least
CALENDAR_PERIODS_S = (86_400.0, 604_800.0)  # days and weeks, which a series can have without showing them plainly


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The median level of each phase of the period. Steps count usual intervals since the first training point."""

    period: float  # steps
    levels: Values  # (places,) standardized, from the start of the period to its end
    usual_error: float  # exceeded by one held-out value in a hundred
    trust: float  # 0 to 1; 0 = there is no rhythm

    def errors(self, values: Values, at: Places, steps: Values, recent: int) -> Values:
        """Errors (m, recent) of the standardized values at `at` (m,) and of those before each, in units of the usual.

        The ones before are taken as one step apart, so that a point's errors do not depend on how it was asked for.
        """
        return _errors(self, values, at, steps, recent, self.levels[None, :], np.zeros_like(at))


@dataclass(frozen=True, slots=True)
class RhythmTrial:
    """A rhythm, and the levels learned without each fifth of the values."""

    rhythm: Rhythm
    folds: Values  # (FOLDS, places)
    skill: float  # share of the error that is taken away from "as usual"; may be negative

    def held_out(self, values: Values, at: Places, steps: Values) -> Values:
        """Errors (m, RECENT) by the levels learned without the fifth of `values` (n,) that each of `at` (m,) is in."""
        fold = at * FOLDS // len(values)
        return _errors(self.rhythm, values, at, steps[at], RECENT, self.folds, fold)


NO_RHYTHM = RhythmTrial(Rhythm(1.0, np.zeros(1), 1.0, 0.0), np.zeros((FOLDS, 1)), 0.0)


def best(values: Values, steps: Values, period: int, interval_s: float) -> RhythmTrial:
    """The rhythm of this period, a day or a week that best predicts held-out fifths of the standardized values (n,)."""
    periods = [float(period), *(seconds / interval_s for seconds in CALENDAR_PERIODS_S)]
    fitting = [period for period in periods if 4 <= period <= min(MOST_PLACES, steps[-1] / MIN_CYCLES)]
    return max([NO_RHYTHM, *(trial(values, steps, period) for period in fitting)], key=lambda trial: trial.skill)


def trial(values: Values, steps: Values, period: float) -> RhythmTrial:
    """Learn the levels of one period, from the newest values of each fifth."""
    ends = [-(-number * len(values) // FOLDS) for number in range(1, FOLDS + 1)]
    kept = np.unique(np.concatenate([np.arange(max(end - POINTS, 0), end) for end in ends]))
    fold, places = kept * FOLDS // len(values), round(period)
    at = _places(steps[kept], period, places)
    order = np.lexsort((values[kept], at))
    ranked, at_ranked, fold_ranked = values[kept][order], at[order], fold[order]
    others = [fold_ranked != number for number in range(FOLDS)]
    folds = np.array([_levels(ranked[mask], at_ranked[mask], places) for mask in others])
    targets = saturated(values[kept])
    residuals = np.abs(targets - folds[fold, at])
    skill = 1 - float(residuals.mean()) / max(float(np.abs(targets).mean()), 1e-12)
    levels = _levels(ranked, at_ranked, places)
    return RhythmTrial(Rhythm(period, levels, usual(residuals, ERROR_FLOOR), trust_in(skill)), folds, skill)


def _places(steps: Values, period: float, places: int) -> Places:
    """The number of the part each step is in, of `places` equal parts of the period."""
    part = np.mod(np.round(steps), period) * (places / period)
    return np.minimum(part.astype(np.int64), places - 1)


def _levels(ranked: Values, at: Places, places: int) -> Values:
    """The median of the values at each place, given in order of place and value; 0, the usual, where there are none."""
    counts = np.bincount(at, minlength=places)
    starts = np.cumsum(counts) - counts
    low = np.minimum(starts + np.maximum(counts - 1, 0) // 2, len(ranked) - 1)
    high = np.minimum(starts + counts // 2, len(ranked) - 1)
    return np.where(counts > 0, (ranked[low] + ranked[high]) / 2, 0.0)


def _errors(
    rhythm: Rhythm, values: Values, at: Places, steps: Values, recent: int, tables: Values, table: Places
) -> Values:
    """Distances (m, recent) from the levels, in units of the usual; 0 where the rhythm was not kept before.

    Times may be made up, a period slightly wrong, a machine restarted: then every value is at a wrong place, and an
    error there does not make a value unusual.
    """
    if rhythm.trust == 0:
        return np.zeros((len(at), recent))
    back = np.concatenate([np.arange(recent), CHECKED_LAGS])
    observed = saturated(values[np.maximum(at[:, None] - back, 0)])
    places = _places(steps[:, None] - back, rhythm.period, tables.shape[1])
    errors = np.abs(observed - tables[table[:, None], places]) / rhythm.usual_error
    errors[at[:, None] < back] = 0.0
    is_kept = (errors[:, recent:] <= 1).mean(axis=1) >= 0.5
    return np.where(is_kept[:, None], errors[:, :recent], 0.0)
