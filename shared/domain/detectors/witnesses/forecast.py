"""Forecast: a value far from the forecast from the values right before it.

Three ridge regressions compete: on the last values; on their increments, for series that drift; and on the last values
and random features of them [Rahimi, Recht 2007], for series that no linear rule describes.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.domain.detectors.standards import Indices, saturated
from shared.domain.detectors.witnesses.calibration import NEWEST, Sides
from shared.domain.series import Flags, Values

FEWEST_POINTS, FEWEST_ROWS = 24, 16
FEWEST_FOR_FEATURES = 1_000
CANDIDATES = ((16, 0, False), (16, 0, True), (32, 256, False))  # lags, random features, of increments
CLEARLY_BETTER = 0.98  # of the error of a simpler rule: a rule of increments or features must be below
FOLDS = 5
RIDGES = (1e-6, 1e-4, 1e-2, 1.0, 10.0)
ROWS = 8_192  # points that a rule is learned from
BLOCK = 1_024  # rows that are computed at a time: with 256 features, they fit the cache of a core
LARGEST_RESIDUAL = 1e6


@dataclass(frozen=True, slots=True)
class Rule:
    """How to forecast a standardized value from the `lags` before it."""

    lags: int
    features: int  # random features; 0 = linear
    of_increments: bool
    weights: Values

    def forecasts(self, values: Values, places: Indices) -> Values:
        """Forecast the standardized values (m,) at `places` (p,), at least `lags`, from the ones before them: (p,)."""
        forecasts = np.empty(len(places))
        if not len(places):
            return forecasts
        windows = sliding_window_view(values, self.lags)
        for start in range(0, len(places), BLOCK):
            part = slice(start, start + BLOCK)
            rows = windows[places[part] - self.lags]
            forecasts[part] = self.inputs(rows) @ self.weights
            if self.of_increments:
                forecasts[part] += saturated(rows[:, -1])
        return forecasts

    def inputs(self, windows: Values) -> Values:
        """Return a row of regressors for each window (m, lags) of standardized values."""
        lags = saturated(windows)
        if self.of_increments:
            lags = np.diff(lags, axis=1)
        parts = [np.ones((len(lags), 1)), lags]
        if self.features:
            directions, offsets = _random_features(self.lags, self.features)
            parts.append(np.tanh(lags @ directions + offsets))
        return np.concatenate(parts, axis=1)

    def targets(self, values: Values, places: Indices) -> Values:
        """Return what the regression predicts of the standardized values (n,) at `places` (m,)."""
        targets = saturated(values[places])
        return targets - saturated(values[places - 1]) if self.of_increments else targets


@cache
def _random_features(lags: int, features: int) -> tuple[Values, Values]:
    """Directions (lags, features) and offsets (features,), always the same: NumPy keeps PCG64's integers stable.

    Sums of twelve uniform numbers are as good as normal ones here, and do not depend on how NumPy draws those.
    """
    bits = np.random.PCG64(0).random_raw(features * (12 * lags + 1))
    uniform = (bits >> np.uint64(11)) / 2.0**53
    normal = uniform[features:].reshape(lags, features, 12).sum(axis=2) - 6
    return normal / np.sqrt(lags), 2 * uniform[:features] - 1


@dataclass(frozen=True, slots=True)
class Forecast:
    """A rule, the spread of its errors, and where alarms begin."""

    rule: Rule
    spread: float  # of the errors, in standardized values
    sides: Sides  # in these spreads
    skill: float  # share of the error removed from the better of "last value" and "median"; may be negative
    error: float  # mean absolute error, held out

    @property
    def half_widths(self) -> tuple[float, float]:
        """The width of the band above and below the forecast."""
        return self.spread * self.sides.upper, self.spread * self.sides.lower

    def errors(self, values: Values, before: Values, places: Indices) -> tuple[Values, Values]:
        """Return the errors, in spreads, and the forecasts (p,) of standardized values (m,) at `places` (p,).

        before: (m,) what the forecasts see of the values before a place.
        """
        forecasts = self.rule.forecasts(before, places)
        errors = (values[places] - forecasts) / self.spread
        return np.minimum(np.maximum(errors, -LARGEST_RESIDUAL), LARGEST_RESIDUAL), forecasts


def fit_forecast(values: Values, usable: Flags, share: float, newest: int = NEWEST) -> tuple[Forecast, Values] | None:
    """Fit the rule that forecasts held-out fifths best; None for too short a history.

    values, usable: (n,); values are standardized. Also returns the errors (n,) of the `newest` points, in spreads, each
    by weights learned without its fifth; NaN for others.
    """
    if len(values) < FEWEST_POINTS:
        return None
    best: _Trial | None = None
    for lags, features, of_increments in CANDIDATES:
        rule = Rule(min(lags, len(values) // 8), features, of_increments, np.empty(0))
        if (features and len(values) < FEWEST_FOR_FEATURES) or (of_increments and rule.lags < 2):
            continue
        trial = _trial(rule, values, usable)
        needed = CLEARLY_BETTER if features or of_increments else 1.0
        if trial is not None and (best is None or trial.error < needed * best.error):
            best = trial
    if best is None:
        return None
    errors = _held_out_errors(best, values, usable, newest)
    calibrating = errors[-NEWEST:]
    spread = max(1.4826 * float(np.nanmedian(np.abs(calibrating))), 1e-3)
    known = values[usable]
    simple = min(float(np.abs(np.diff(known)).mean()), float(np.abs(known).mean()))
    forecast = Forecast(
        rule=best.rule,
        spread=spread,
        sides=Sides.of(calibrating / spread, share, 1.0),
        skill=1 - best.mean_error / max(simple, 1e-12),
        error=float(np.nanmean(np.minimum(np.abs(calibrating), 10.0))),
    )
    return forecast, errors / spread


@dataclass(frozen=True, slots=True)
class _Trial:
    """A rule, its weights without each fifth (FOLDS, k), and its error on the fifths held out."""

    rule: Rule
    fold_weights: Values
    error: float  # mean square of the errors, clipped at their 99th percentile
    mean_error: float  # absolute


def _trial(rule: Rule, values: Values, usable: Flags) -> _Trial | None:
    """Fit with the smallest ridge that no larger one clearly beats; None if too few points have their lags."""
    lags, points = rule.lags, len(values)
    places = np.flatnonzero(np.convolve(~usable, np.ones(lags + 1))[:points] == 0)
    places = places[places >= lags]
    if len(places) < FEWEST_ROWS:
        return None
    places = places[np.unique(np.linspace(0, len(places) - 1, min(ROWS, len(places))).astype(np.int64))]
    inputs = rule.inputs(sliding_window_view(values, lags)[places - lags])
    targets, fold_of = rule.targets(values, places), places * FOLDS // points
    folds = [(inputs[fold_of == fold], targets[fold_of == fold]) for fold in range(FOLDS)]
    grams = np.array([part.T @ part for part, _ in folds])
    products = np.array([part.T @ target for part, target in folds])
    best: _Trial | None = None
    for ridge in RIDGES:
        penalty = ridge * len(places) / 100 * np.eye(grams.shape[1])
        held_out = np.linalg.solve(grams.sum(axis=0) - grams + penalty, (products.sum(axis=0) - products)[..., None])
        weights = held_out[..., 0]
        distances = np.abs(targets - np.einsum("ij,ij->i", inputs, weights[fold_of]))
        error = float(np.mean(np.minimum(distances, np.quantile(distances, 0.99)) ** 2))
        if best is None or error < 0.999 * best.error:
            final = np.linalg.solve(grams.sum(axis=0) + penalty, products.sum(axis=0))
            best = _Trial(Rule(lags, rule.features, rule.of_increments, final), weights, error, float(distances.mean()))
    return best


def _held_out_errors(trial: _Trial, values: Values, usable: Flags, newest: int) -> Values:
    """Return the errors (n,) of the `newest` points, in standardized values; NaN for others."""
    rule, points = trial.rule, len(values)
    errors = np.full(points, np.nan)
    windows = sliding_window_view(values, rule.lags)
    for start in range(max(points - newest, rule.lags), points, BLOCK):
        places = np.arange(start, min(start + BLOCK, points))
        weights = trial.fold_weights[places * FOLDS // points]
        predicted = np.einsum("ij,ij->i", rule.inputs(windows[places - rule.lags]), weights)
        if rule.of_increments:
            predicted += saturated(values[places - 1])
        errors[places] = values[places] - predicted
    errors[~usable] = np.nan
    return errors
