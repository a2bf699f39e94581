"""The profile of a cycle: the usual level of each of its parts, and the spread of values around that level."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.cycles import Bins
from shared.domain.detectors.standards import robust_spread
from shared.domain.series import Flags, Values

FEWEST_VALUES = (30, 100, 300)  # of a bin: with fewer distances, its spread borrows from its neighbors
SPREAD_GAIN = 0.97  # of the band's width: more local spreads must make it narrower than this
MIN_SPREAD_RATIO = 0.3  # of the typical spread: a minor change in a quiet phase must not be an anomaly
MIN_NOISE_RATIO = 1e-3  # of the spread of the values: the noise that is assumed if there is none
MIN_NOISE = 1e-9  # the same for values that are nearly all equal, and at most 1 in magnitude
REACHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # bins on both sides that a smooth level may be taken from,
WIDEST = 0.25  # of the cycle, at most
AGREEMENT = 2.0  # standard errors: a wider fit must agree with all narrower ones to this
MISSED_POINTS = 6  # bins are unseen if so many points would be expected in them, and none came
MEDIAN_VARIANCES = (1.0, 1.0, 0.5, 0.449, 0.298, 0.287, 0.215, 0.210, 0.168)  # of the median of k normal values


@dataclass(frozen=True, slots=True)
class Profile:
    """Level and spread of each bin, (bins,)."""

    level: Values
    spread: Values  # 0 where the training data never has a point, so that no value there can be judged

    def unseen(self, bins: Bins) -> Flags:
        """Flag those of the bins (n,) that the training data never showed."""
        return np.asarray(self.spread[bins] == 0)


def levels(values: Values, bins: Bins, count: int) -> Values:
    """Return the median (count,) of the values (n,) of each bin; only an empty bin borrows from its neighbors.

    On a slope of the cycle, neighbors have other levels and would bias the median.
    """
    order = np.argsort(bins, kind="stable")
    edges = np.searchsorted(bins[order], np.arange(count + 1))
    return np.array([np.median(part) for part in _around(values[order], edges, 1)])


def smoothed(level: Values, error: float) -> Values:
    """Smooth the levels (bins,), whose standard error is `error`, without blurring steps and narrow peaks.

    Each level comes from the widest local parabola that agrees with all narrower ones around the same bin
    [Goldenshluger, Nemirovski: On spatially adaptive estimation of nonparametric regression, 1997].
    """
    low, high, result = level - AGREEMENT * error, level + AGREEMENT * error, level.copy()
    agrees = np.ones(len(level), dtype=np.bool_)
    for reach in REACHES:
        if 2 * reach + 1 > WIDEST * len(level):
            break
        weights = _parabola(reach)
        wider = np.convolve(np.concatenate((level[-reach:], level, level[:reach])), weights, "valid")
        tolerance = AGREEMENT * error * math.sqrt(float(weights @ weights))
        low, high = np.maximum(low, wider - tolerance), np.minimum(high, wider + tolerance)
        agrees &= low <= high
        result[agrees] = wider[agrees]
    return result


def _parabola(reach: int) -> Values:
    """Return the weights (2 * reach + 1,) whose sum with the levels is the middle of the fitted parabola."""
    places = np.arange(-reach, reach + 1.0)
    importance = 1 - (places / (reach + 1)) ** 2
    design = np.stack([np.ones_like(places), places, places**2], axis=1)
    weights: Values = np.linalg.solve(design.T @ (design * importance[:, None]), (design * importance[:, None]).T)[0]
    return weights


def median_variance(count: float) -> float:
    """Return the variance of the median of `count` standard normal values, on average."""
    below = int(count)
    if below + 1 >= len(MEDIAN_VARIANCES):
        return 1.57 / count
    return MEDIAN_VARIANCES[below] + (count - below) * (MEDIAN_VARIANCES[below + 1] - MEDIAN_VARIANCES[below])


def spreads(values: Values, bins: Bins, count: int, distances: Values) -> Values:
    """Return the spread (count,) of each bin: that of all values, or a more local one if it makes the band narrower.

    values: (n,), at most 1 in magnitude; bins: (n,). distances: (n,) of the values from levels that were learned
    without them. In-sample distances would be far too small: of three values, one is the median.
    """
    order = np.argsort(bins, kind="stable")
    edges = np.searchsorted(bins[order], np.arange(count + 1))
    typical = max(robust_spread(distances), MIN_NOISE_RATIO * robust_spread(values), MIN_NOISE)
    best = np.full(count, typical)
    narrowest = float(np.quantile(distances, 0.99))
    for fewest in reversed(FEWEST_VALUES):
        if fewest >= len(distances):
            continue
        local = np.array([1.4826 * np.median(part) for part in _around(distances[order], edges, fewest)])
        local = np.maximum(local, MIN_SPREAD_RATIO * typical)
        width = float(np.quantile(distances / local[bins], 0.99) * local[bins].mean())
        if width < SPREAD_GAIN * narrowest:
            best, narrowest = local, width
    best[unseen_bins(bins, count)] = 0.0
    return best


def unseen_bins(bins: Bins, count: int) -> Flags:
    """Flag the bins (count,) without points, where a stretch of empty bins should have held several: closed hours."""
    counts = np.bincount(bins, minlength=count)
    empty: Flags = np.asarray(counts == 0)
    if not empty.any():
        return empty
    expected = len(bins) / int((~empty).sum())
    start = int(np.argmax(~empty))  # so that no stretch of empty bins wraps around
    rolled = np.roll(empty, -start)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], rolled, [False])).astype(np.int8)))
    unseen: Flags = np.zeros(count, dtype=np.bool_)
    for low, high in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        unseen[low:high] = (high - low) * expected >= MISSED_POINTS
    return np.asarray(np.roll(unseen, start), dtype=np.bool_)


def _around(ordered: Values, edges: Bins, fewest: int) -> Iterator[Values]:
    """Yield each bin's values, with those of as many bins on both sides as it takes to reach `fewest` values.

    ordered: (n,) values sorted by bin; edges: (bins + 1,) start of each bin. The first bin follows the last.
    """
    count, total = len(edges) - 1, len(ordered)
    repeated = np.concatenate((ordered, ordered, ordered))
    starts = np.concatenate((edges[:-1], edges[:-1] + total, edges + 2 * total))
    middle = np.arange(count, 2 * count)
    reach = np.zeros(count, dtype=np.int64)
    while True:
        lacking = starts[middle + reach + 1] - starts[middle - reach] < fewest
        growing = lacking & (2 * reach + 1 < count)
        if not growing.any():
            break
        reach[growing] += 1
    for low, high in zip(starts[middle - reach].tolist(), starts[middle + reach + 1].tolist(), strict=True):
        yield repeated[low : min(high, low + total)]
