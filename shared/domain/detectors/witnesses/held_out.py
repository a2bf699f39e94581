"""Held-out ratios of the witnesses that learn only a few numbers from the whole history.

Few numbers learned from many points are as good for new points as held-out ones. But a long incident in a history
moves them, and the chart would then show nothing there. So each fifth is judged by what the other four show.
"""

from collections.abc import Iterator

import numpy as np

from shared.domain.detectors.standards import robust_spread
from shared.domain.detectors.witnesses.history import History
from shared.domain.detectors.witnesses.level import MIN_SPREAD, Level
from shared.domain.detectors.witnesses.recent import fit_recent
from shared.domain.detectors.witnesses.stuck import Stuck
from shared.domain.detectors.witnesses.vocabulary import Vocabulary
from shared.domain.series import Flags, Values

FOLDS = 5
FEWEST_POINTS = 30  # of the history: in a shorter one, a fifth says too little about the others


def held_out_ratios(
    history: History,
    residuals: Values | None,
    errors: Values | None,
    share: float,
    alarm_rate: float,
    *,
    has_level: bool,
) -> dict[str, Values]:
    """Return the ratios (n,) of level, recent, repetition and vocabulary, each fifth judged by the others.

    residuals, errors: (n,) held out, of season and forecast; None without one. has_level: whether the level is a
    witness; if there is no season, the mean of the last values then refers to it.
    """
    values, spread = history.standardized, max(robust_spread(history.standardized[history.usable]), MIN_SPREAD)
    ratios = {name: np.full(len(history), np.nan) for name in ("recent", "stuck", "vocabulary")}
    if has_level:
        ratios["level"] = np.full(len(history), np.nan)
    for fold in _folds(len(history)):
        others = history.usable & ~fold
        if not others.any():
            continue
        center = float(np.median(values[others]))
        if has_level:
            level = Level.of(values - center, others, share)
            ratios["level"][fold] = level.ratios(values[fold] - center)
        source = residuals
        if source is None and has_level:
            source = np.where(history.usable, (values - center) / spread, np.nan)
        recent, _ = fit_recent(_without(source, fold), _without(errors, fold), share)
        ratios["recent"][fold] = recent.ratios(source, errors, len(history))[fold]
        ratios["stuck"][fold] = Stuck.of(history.values[~fold]).ratios(history.values)[fold]
        ratios["vocabulary"][fold] = Vocabulary.of(history.values[others], alarm_rate).ratios(history.values[fold])
    return ratios


def _folds(points: int) -> Iterator[Flags]:
    """Yield flags (n,) of each fifth of the history; nothing if it is short."""
    if points < FEWEST_POINTS:
        return
    fold_of = np.arange(points) * FOLDS // points
    for fold in range(FOLDS):
        yield fold_of == fold


def _without(column: Values | None, fold: Flags) -> Values | None:
    return None if column is None else column[~fold]
