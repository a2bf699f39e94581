"""Rhythm: the usual level at each phase of a period, and the distances of held-out values from it.

Windows and forecasts adapt to a series wherever it goes; the levels of a period do not. So a shift, a flat line or a
missing peak stays unusual as long as it lasts.
"""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.msnn.weighing import ERROR_FLOOR, RECENT, trust_in, usual
from shared.domain.detectors.standards import Indices, saturated
from shared.domain.series import Values

FOLDS = 5
POINTS = 4_000  # per fold, at most: the newest
MIN_CYCLES = 4  # fewest periods that establish a rhythm
MOST_PHASES = 2_016  # one for every five minutes of a week
CHECKED_LAGS = 8 * np.arange(1, 17)  # points before a value, at least half of which must have kept the rhythm
CALENDAR_PERIODS_S = (86_400.0, 604_800.0)  # day and week, which the autocorrelation can miss


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The median level of each phase of a period. Steps count median intervals since the first training point."""

    period: float  # steps
    levels: Values  # (phases,) standardized
    usual_error: float  # 99th percentile of the held-out errors
    trust: float  # 0 to 1; 0 = there is no rhythm

    def distances(self, values: Values, steps: Values) -> Values:
        """Return the distances (n,) of values (n,) at `steps` (n,) from their levels."""
        return np.asarray(np.abs(saturated(values) - self.levels[_phase_indices(steps, self.period, len(self.levels))]))

    def errors(self, values: Values, at: Indices, steps: Values, recent: int) -> Values:
        """Return the errors (m, recent), relative to the usual, of the values at `at` (m,) and of those before each.

        Those before count as one step apart, so a point's errors are the same in single and batch predictions.
        """
        return _errors(self, values, at, steps, recent, self.levels[None, :], np.zeros_like(at))


@dataclass(frozen=True, slots=True)
class RhythmTrial:
    """A rhythm, and the levels learned without each fold, a fifth of the values."""

    rhythm: Rhythm
    folds: Values  # (FOLDS, phases)
    skill: float  # share of the error of "always the median" that it removes; may be negative

    def held_out(self, values: Values, at: Indices, steps: Values) -> Values:
        """Return the errors (m, RECENT) at `at` (m,) from levels learned without the fold of each."""
        fold = at * FOLDS // len(values)
        return _errors(self.rhythm, values, at, steps[at], RECENT, self.folds, fold)


NO_RHYTHM = RhythmTrial(Rhythm(1.0, np.zeros(1), 1.0, 0.0), np.zeros((FOLDS, 1)), 0.0)


def best(values: Values, steps: Values, period: int, interval_s: float) -> RhythmTrial:
    """Return the rhythm (this period, a day, or a week) with the highest held-out skill on standardized values (n,)."""
    periods = [float(period), *(seconds / interval_s for seconds in CALENDAR_PERIODS_S)]
    eligible = [period for period in periods if 4 <= period <= min(MOST_PHASES, steps[-1] / MIN_CYCLES)]
    return max([NO_RHYTHM, *(trial(values, steps, period) for period in eligible)], key=lambda trial: trial.skill)


def trial(values: Values, steps: Values, period: float) -> RhythmTrial:
    """Learn the levels of one period from the newest values of each fold."""
    ends = [-(-number * len(values) // FOLDS) for number in range(1, FOLDS + 1)]
    kept = np.unique(np.concatenate([np.arange(max(end - POINTS, 0), end) for end in ends]))
    fold, phases = kept * FOLDS // len(values), round(period)
    at = _phase_indices(steps[kept], period, phases)
    order = np.lexsort((values[kept], at))
    ranked, at_ranked, fold_ranked = values[kept][order], at[order], fold[order]
    others = [fold_ranked != number for number in range(FOLDS)]
    folds = np.array([_levels(ranked[mask], at_ranked[mask], phases) for mask in others])
    targets = saturated(values[kept])
    residuals = np.abs(targets - folds[fold, at])
    skill = 1 - float(residuals.mean()) / max(float(np.abs(targets).mean()), 1e-12)
    levels = _levels(ranked, at_ranked, phases)
    return RhythmTrial(Rhythm(period, levels, usual(residuals, ERROR_FLOOR), trust_in(skill)), folds, skill)


def _phase_indices(steps: Values, period: float, phases: int) -> Indices:
    """Return the phase that each step is in, of `phases` equal parts of the period."""
    part = np.mod(np.round(steps), period) * (phases / period)
    return np.minimum(part.astype(np.int64), phases - 1)


def _levels(ranked: Values, at: Indices, phases: int) -> Values:
    """Return the median at each phase of values sorted by phase and value; 0, the overall median, if it has none."""
    counts = np.bincount(at, minlength=phases)
    starts = np.cumsum(counts) - counts
    low = np.minimum(starts + np.maximum(counts - 1, 0) // 2, len(ranked) - 1)
    high = np.minimum(starts + counts // 2, len(ranked) - 1)
    return np.where(counts > 0, (ranked[low] + ranked[high]) / 2, 0.0)


def _errors(
    rhythm: Rhythm, values: Values, at: Indices, steps: Values, recent: int, tables: Values, table: Indices
) -> Values:
    """Return distances (m, recent) from the levels, relative to the usual; 0 if the rhythm was not kept before.

    Invented timestamps, an inexact period or a restarted machine put every value at a wrong phase. An error there does
    not make a value unusual.
    """
    if rhythm.trust == 0:
        return np.zeros((len(at), recent))
    back = np.concatenate([np.arange(recent), CHECKED_LAGS])
    observed = saturated(values[np.maximum(at[:, None] - back, 0)])
    phases = _phase_indices(steps[:, None] - back, rhythm.period, tables.shape[1])
    errors = np.abs(observed - tables[table[:, None], phases]) / rhythm.usual_error
    errors[at[:, None] < back] = 0.0
    is_kept = (errors[:, recent:] <= 1).mean(axis=1) >= 0.5
    return np.where(is_kept[:, None], errors[:, :recent], 0.0)
