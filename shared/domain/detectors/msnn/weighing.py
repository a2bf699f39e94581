"""Weights of a multi-scale nearest neighbor score: how its terms are compressed, averaged and added up.

The comment on a weight gives the mean VUS-PR when only that weight changes. It was measured on 53 series of TSB-AD (20
NAB, 13 TODS, 12 WSD, 6 UCR, 2 MGAB), whose mean is .547 for causal scores and .656 for centered ones. The means are
flat around these weights; a weight that is better for one kind of series is worse for another.
"""

import numpy as np

from shared.domain.series import Values

SMOOTHED, STRIDE = 64, 8  # the mean over the last 64 points uses every 8th
BACK = SMOOTHED - STRIDE  # preceding points in that mean
RECENT = 16  # points whose errors count in causal scores
AROUND = 16  # points on each side whose errors count in centered scores

SMOOTHED_WEIGHT = 0.5  # 0: .551, .25: .550, .75: .540, 1: .523; from 0 to .5, NAB gains .015 and WSD loses .034
NEAR_WEIGHT = 1 - SMOOTHED_WEIGHT  # so that both window terms together weigh 1, the unit of the other weights
NEWEST_ERROR_WEIGHT = 0.6  # 0: .539, halved: .545, doubled: .544; doubled, TODS gains .017 and UCR loses .036
RECENT_ERRORS_WEIGHT = 1.2  # 0: .544, halved: .547, doubled: .543; without it, MGAB falls from .245 to .137
LONE_ERROR_WEIGHT = NEWEST_ERROR_WEIGHT + RECENT_ERRORS_WEIGHT  # of an error if all recent errors are equally large
CENTERED_ERROR_WEIGHT = 0.3  # halved: .657, doubled: .651; doubled, TODS gains .012 and MGAB loses .054
ERRORS_AROUND_WEIGHT = 1.2  # halved: .661, doubled: .645; halved, UCR gains .050 and MGAB loses .095

# of the skill on a batch, which is the trust in the rhythm: 1 costs .008 on half of 71 series, 2 .007 on synthetic ones
RHYTHM_POWER = 1.5

LINEAR_UP_TO = 10.0  # times the usual: larger ratios grow logarithmically
WINDOW_FLOOR, ERROR_FLOOR = 0.02, 1e-3  # spreads, added to the usual distance and to the usual error


def combined(near: Values, smoothed: Values, forecast: Values, rhythm: Values) -> Values:
    """Add up the window distances and the weighted errors of forecast and rhythm."""
    return NEAR_WEIGHT * near + SMOOTHED_WEIGHT * smoothed + forecast + rhythm


def weighted_errors(newest: Values, recent: Values, trust: float) -> Values:
    """Weight each point's newest error (n,) and the root mean square (n,) of its recent errors."""
    return trust * (NEWEST_ERROR_WEIGHT * compressed(newest) + RECENT_ERRORS_WEIGHT * recent)


def weighted_error_rows(errors: Values, trust: float) -> Values:
    """Weight the newest error and the root mean square of each row of errors (m, RECENT), newest first."""
    return weighted_errors(errors[:, 0], np.sqrt((compressed(errors) ** 2).mean(axis=1)), trust)


def weighted_errors_around(errors: Values, trust: float) -> Values:
    """Weight the errors (n,) of each point and of those on both sides of it."""
    around = moving_rms(errors, AROUND, AROUND)
    return trust * (CENTERED_ERROR_WEIGHT * compressed(errors) + ERRORS_AROUND_WEIGHT * around)


def compressed(ratios: Values) -> Values:
    """Compress ratios above 10 logarithmically, so that no single value outweighs everything near it."""
    beyond = LINEAR_UP_TO + LINEAR_UP_TO * np.log(np.maximum(ratios, LINEAR_UP_TO) / LINEAR_UP_TO)
    return np.where(ratios <= LINEAR_UP_TO, ratios, beyond)


def moving_rms(errors: Values, before: int, after: int) -> Values:
    """Return the root mean square (n,) of compressed errors from `before` points before to `after` after each point."""
    sums = cumulative(compressed(errors) ** 2)
    indices = np.arange(len(errors))
    low = np.maximum(indices - before, 0)
    high = np.minimum(indices + after + 1, len(errors))
    rms: Values = np.sqrt(np.maximum(sums[high] - sums[low], 0) / (high - low))
    return rms


def mean_over_windows(distances: Values, length: int) -> Values:
    """Average, for each point (n,), the distances (n - length + 1,) of the windows that contain it."""
    sums = cumulative(distances)
    indices = np.arange(len(distances) + length - 1)
    low = np.maximum(indices - length + 1, 0)
    high = np.minimum(indices + 1, len(distances))
    means: Values = (sums[high] - sums[low]) / (high - low)
    return means


def cumulative(values: Values) -> Values:
    """Return the sums (n + 1,) of the first 0 to n values (n,)."""
    return np.concatenate(([0.0], values.cumsum()))


def usual(distances: Values, floor: float) -> float:
    """Return the 99th percentile, plus a floor so that rounding errors in a noiseless series are not unusual."""
    return float(np.quantile(distances, 0.99)) + floor


def skill_in_batch(errors: Values, simple_error: float) -> float:
    """Return the share of the simple error that a forecast or a rhythm with absolute errors (n,) removes, at least 0.

    simple_error: mean absolute error without it.
    """
    return max(1 - float(errors.mean()) / max(simple_error, 1e-12), 0.0)


def trust_in(skill: float) -> float:
    """Map skill to trust: 0 for a source that predicts nothing, 1 for one that removes half of the error or more."""
    return min(1.0, 2 * max(skill, 0.0))
