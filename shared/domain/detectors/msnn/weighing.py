"""How the parts of a multi-scale nearest neighbor score are compressed, averaged, weighed and added up."""

import numpy as np

from shared.domain.series import Values

SMOOTHED, STRIDE = 64, 8  # the mean over the last 64 points is taken from every 8th
RECENT = 16  # points whose errors are remembered
AROUND = 16  # points on each side whose errors count when both sides are known
LINEAR_UP_TO = 10.0  # times the usual: beyond, ratios grow by their logarithm
WINDOW_FLOOR, ERROR_FLOOR = 0.02, 1e-3  # spreads, added to what is usual of distances and of errors


def combined(near: Values, smoothed: Values, forecast: Values, rhythm: Values) -> Values:
    """The sum that is judged: of the windows' distances, and of the errors of forecast and rhythm, weighted before."""
    return 0.5 * near + 0.5 * smoothed + forecast + rhythm


def weighted_errors(newest: Values, recent: Values, trust: float) -> Values:
    """The weight of a point's own error and of the recent ones (compressed), by the trust in their source."""
    return trust * (0.6 * compressed(newest) + 1.2 * recent)


def weighted_error_rows(errors: Values, trust: float) -> Values:
    """The same for errors (m, RECENT) of each point and of those before it."""
    return weighted_errors(errors[:, 0], np.sqrt((compressed(errors) ** 2).mean(axis=1)), trust)


def weighted_errors_around(errors: Values, trust: float) -> Values:
    """The weight of each point's error (n,) and of those on both sides of it."""
    return trust * (0.3 * compressed(errors) + 1.2 * moving_rms(errors, AROUND, AROUND))


def compressed(ratios: Values) -> Values:
    """Ratios to the usual, linear up to 10 and logarithmic beyond: no single value outweighs everything near it."""
    beyond = LINEAR_UP_TO + LINEAR_UP_TO * np.log(np.maximum(ratios, LINEAR_UP_TO) / LINEAR_UP_TO)
    return np.where(ratios <= LINEAR_UP_TO, ratios, beyond)


def moving_rms(errors: Values, before: int, after: int) -> Values:
    """Root mean square (n,) of the compressed errors of each point, the `before` points before and `after` after it."""
    sums = cumulative(compressed(errors) ** 2)
    places = np.arange(len(errors))
    low = np.maximum(places - before, 0)
    high = np.minimum(places + after + 1, len(errors))
    means: Values = np.sqrt(np.maximum(sums[high] - sums[low], 0) / (high - low))
    return means


def mean_over_windows(distances: Values, length: int) -> Values:
    """For each point the mean over the windows it lies in; distances (n - length + 1,) by the windows' starts."""
    sums = cumulative(distances)
    places = np.arange(len(distances) + length - 1)
    low = np.maximum(places - length + 1, 0)
    high = np.minimum(places + 1, len(distances))
    means: Values = (sums[high] - sums[low]) / (high - low)
    return means


def cumulative(values: Values) -> Values:
    """Sums (n + 1,) of the first 0 to n values (n,)."""
    return np.concatenate(([0.0], values.cumsum()))


def usual(distances: Values, floor: float) -> float:
    """What one distance in a hundred exceeds, plus a floor: or a noiseless series makes rounding errors unusual."""
    return float(np.quantile(distances, 0.99)) + floor


def trust_in(skill: float) -> float:
    """From 0 for a source that predicts nothing to 1 for one that takes away half of the error or more."""
    return min(1.0, 2 * max(skill, 0.0))
