"""One-step forecasts by ridge regression on lags, either linear or with random features.

Random features [Rahimi, Recht 2007] are the hyperbolic tangents of fixed random combinations of the lags. They can
forecast a chaotic series, which no linear model can, for the cost of one small linear system.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.domain.detectors.standards import Indices, saturated
from shared.domain.series import Flags, Values

LINEAR_LAGS, RANDOM_FEATURE_LAGS, RANDOM_FEATURES = 16, 32, 256
FOLDS = 5
RIDGES = (1e-6, 1e-4, 1e-2, 1.0, 10.0)
ROWS = 8_192  # points that a forecast is learned from
BLOCK = 1_024  # rows that are computed at a time: with 256 random features, they fit the cache of a core


@dataclass(frozen=True, slots=True)
class Forecast:
    """Model that forecasts a standardized value from the `lags` before it, oldest first."""

    lags: int
    bends: int  # random features; 0 = linear
    weights: Values  # (1 + lags + bends,)

    def of(self, values: Values) -> Values:
        """Forecast (m - lags + 1,) what follows each window of `lags` among the standardized values (m,), m >= lags."""
        windows = sliding_window_view(saturated(values), self.lags)
        blocks = range(0, len(windows), BLOCK)
        return np.concatenate([_inputs(windows[at : at + BLOCK], self.bends) @ self.weights for at in blocks])


@dataclass(frozen=True, slots=True)
class Trial:
    """A forecast and its held-out errors."""

    forecast: Forecast
    folds: tuple[Values, ...]  # weights learned without each fold, a fifth of the points
    residuals: Values  # absolute and held-out
    skill: float  # share of the error removed from the better of "last value" and "median"; may be negative

    def held_out(self, values: Values, start: int, total: int) -> Values:
        """Return absolute residuals of values[lags:], where values[lags] is at `start` of `total` points."""
        forecast = self.forecast
        windows = sliding_window_view(saturated(values), forecast.lags)[:-1]
        fold = (start + np.arange(len(windows))) * FOLDS // total
        residuals = np.empty(len(windows))
        inputs = _inputs(windows, forecast.bends)
        for number in np.unique(fold):
            part = fold == number
            residuals[part] = np.abs(saturated(values[forecast.lags :][part]) - inputs[part] @ self.folds[number])
        return residuals


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """Weights of a ridge regression, and their held-out errors."""

    weights: Values
    folds: tuple[Values, ...]  # weights learned without each fold, a fifth of the points
    residuals: Values  # absolute and held-out
    error: float  # mean square of the residuals, clipped at their 99th percentile


def best(values: Values, usable: Flags) -> Trial:
    """Return the more skilled of a linear and a random-feature forecast of standardized `values` (n,), n >= 32.

    usable: (n,) whether a point may be learned from (False after a gap).
    """
    trials = [trial(values, usable, LINEAR_LAGS, 0), trial(values, usable, RANDOM_FEATURE_LAGS, RANDOM_FEATURES)]
    return max(trials, key=lambda trial: trial.skill)


def trial(values: Values, usable: Flags, lags: int, bends: int) -> Trial:
    """Fit with the ridge that 5-fold cross-validation prefers."""
    lags = min(lags, len(values) // 8)
    ends = _learnable(usable, lags)
    windows = sliding_window_view(saturated(values), lags)
    inputs, targets = _inputs(windows[ends - lags], bends), saturated(values[ends])
    fit = _best_ridge(inputs, targets, ends * FOLDS // len(values))
    error_of_last_value, error_of_level = np.abs(targets - saturated(values[ends - 1])).mean(), np.abs(values).mean()
    simple = min(error_of_last_value, error_of_level)
    skill = 1 - float(fit.residuals.mean()) / max(float(simple), 1e-12)
    return Trial(Forecast(lags, bends, fit.weights), fit.folds, fit.residuals, skill)


def _best_ridge(inputs: Values, targets: Values, fold: Indices) -> RidgeFit:
    """Fit with the smallest ridge that no larger one clearly beats; inputs (m, k), targets and their fold (m,)."""
    squares, products = [], []
    for number in range(FOLDS):
        part = inputs[fold == number]
        squares.append(part.T @ part)
        products.append(part.T @ targets[fold == number])
    best: RidgeFit | None = None
    for ridge in RIDGES:
        penalty = ridge * len(targets) / 100 * np.eye(len(squares[0]))
        fit = _ridge_fit(squares, products, penalty, inputs, targets, fold)
        if best is None or fit.error < 0.999 * best.error:
            best = fit
    assert best is not None  # noqa: S101 - RIDGES is not empty
    return best


def _ridge_fit(
    squares: list[Any], products: list[Any], penalty: Values, inputs: Values, targets: Values, fold: Indices
) -> RidgeFit:
    """Solve for all points and without each fold, from the folds' inner products (k, k) and (k,)."""
    square, product = sum(squares[1:], squares[0]), sum(products[1:], products[0])
    folds = tuple(
        np.linalg.solve(square - part_square + penalty, product - part_product)
        for part_square, part_product in zip(squares, products, strict=True)
    )
    residuals = np.abs(targets - np.einsum("ij,ij->i", inputs, np.array(folds)[fold]))
    error = float(np.mean(np.minimum(residuals, np.quantile(residuals, 0.99)) ** 2))
    return RidgeFit(np.linalg.solve(square + penalty, product), folds, residuals, error)


def _learnable(usable: Flags, lags: int) -> Indices:
    """Return at most `ROWS` evenly spaced indices whose point and `lags` points before it are usable.

    If there are too few of these, unusable points count too.
    """
    broken = np.concatenate(([0], np.cumsum(~usable)))
    indices = np.arange(lags, len(usable))
    whole = indices[broken[lags + 1 :] == broken[: -lags - 1]]
    indices = whole if len(whole) >= 8 * FOLDS else indices
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(ROWS, len(indices))).astype(np.int64))]


def _inputs(windows: Values, bends: int) -> Values:
    """Build a row of 1, the lags and their random features for each window (m, lags)."""
    ones = np.ones((len(windows), 1))
    if bends == 0:
        return np.concatenate([ones, windows], axis=1)
    directions, offsets = _random(windows.shape[1], bends)
    return np.concatenate([ones, windows, np.tanh(windows @ directions + offsets)], axis=1)


@cache
def _random(lags: int, bends: int) -> tuple[Values, Values]:
    """Return directions (lags, bends) and offsets (bends,), always the same: NumPy guarantees PCG64's integers.

    Sums of twelve uniform numbers are as good as normal ones here, and independent of how NumPy draws those.
    """
    bits = np.random.PCG64(0).random_raw(bends * (12 * lags + 1))
    uniform = (bits >> np.uint64(11)) / 2.0**53
    normal = uniform[bends:].reshape(lags, bends, 12).sum(axis=2) - 6
    return normal / np.sqrt(lags), 2 * uniform[:bends] - 1
