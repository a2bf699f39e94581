"""How the parts of a multi-scale nearest neighbour score are tamed, averaged and added up."""

import numpy as np

from shared.domain.series import Values

SMOOTHED, STRIDE = 64, 8  # the mean over the last 64 points is taken from every 8th
RECENT = 16  # points whose errors are remembered


def combined(near: Values, smoothed: Values, forecast: Values, rhythm: Values) -> Values:
    """The sum that is judged: windows weigh 1, what is told by forecast and rhythm is weighed already."""
    return 0.5 * near + 0.5 * smoothed + forecast + rhythm


def told(error: Values, recent: Values, trust: float) -> Values:
    """What the errors of the newest and of the recent points weigh: as much as their source can be trusted."""
    return trust * (0.6 * tamed(error) + 1.2 * recent)


def told_by_rows(errors: Values, trust: float) -> Values:
    """The same for errors (m, RECENT) of each point and of those before it."""
    return told(errors[:, 0], np.sqrt((tamed(errors) ** 2).mean(axis=1)), trust)


def tamed(ratio: Values) -> Values:
    """The same up to 10, then its logarithm: one wild value must not outweigh everything near it."""
    return np.where(ratio <= 10, ratio, 10 + 10 * np.log(np.maximum(ratio, 10) / 10))


def moving(errors: Values, before: int, after: int) -> Values:
    """Root mean square of the tamed errors over `before` points up to each (itself included) and `after` - 1 beyond."""
    sums = np.concatenate(([0.0], (tamed(errors) ** 2).cumsum()))
    places = np.arange(len(errors))
    low = np.maximum(places - (before if after else before - 1), 0)
    high = np.minimum(places + max(after, 1), len(errors))
    means: Values = np.sqrt(np.maximum(sums[high] - sums[low], 0) / (high - low))
    return means


def covering(distances: Values, length: int) -> Values:
    """For each point the mean over the windows it lies in; distances (n - length + 1,) by the windows' starts."""
    sums = np.concatenate(([0.0], distances.cumsum()))
    places = np.arange(len(distances) + length - 1)
    low = np.maximum(places - length + 1, 0)
    high = np.minimum(places + 1, len(distances))
    means: Values = (sums[high] - sums[low]) / (high - low)
    return means
