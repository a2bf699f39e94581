"""Calibration: the boundary that a share of the normal points exceeds, learned from held-out residuals.

`alarms` extrapolates the tail of many residuals. A detector that runs unattended needs two more things:
incidents among the residuals must not raise the boundary, and few residuals must not be extrapolated to infinity.
"""

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from shared.domain.detectors import alarms
from shared.domain.series import Values

NEWEST = 12_000  # residuals used, so that a fit takes the same time for any history
FEW = 200  # with fewer residuals, the extrapolated tail is bounded
EXCURSION_REACH = 64  # points on both sides of a peak that belong to its excursion, in a long history
MOST_INCIDENTS, MOST_INCIDENT_SHARE = 30, 0.1
FEWEST_NORMAL = 20  # residuals that must remain when incidents are left out
INCIDENT = 1.25  # every incident exceeds the boundary of the rest by this factor
REGULAR_TIMES, REGULAR_SHARE = 5, 0.8  # from this many peaks on, if this share is at regular distances, they are a job
SMALLEST = 1e-9
TEMPER, SHARPNESS = 0.1, 32  # factor of the logarithm of a ratio above 1; exponent of a ratio below 1


@dataclass(frozen=True, slots=True)
class Sides:
    """Boundaries of positive and of negative residuals."""

    upper: float
    lower: float

    @classmethod
    def of(cls, residuals: Values, share: float, spread: float = 0.0) -> "Sides":
        """Learn both from signed residuals (m,) in order of time; each boundary gets half of `share`.

        NaN marks an unknown residual. See `boundary` for `spread`.
        """
        known = residuals[np.isfinite(residuals)][-NEWEST:]
        sides = (np.maximum(known, 0.0), np.maximum(-known, 0.0))
        return cls(*(boundary(side, share / 2, spread) for side in sides))

    def ratios(self, residuals: Values) -> Values:
        """Return residuals (m,) in units of the boundary on their side, at least 0."""
        return np.where(residuals > 0, residuals / self.upper, -residuals / self.lower)

    def at_least(self, least: float) -> "Sides":
        """Raise both boundaries to `least`."""
        return Sides(max(self.upper, least), max(self.lower, least))


def boundary(residuals: Values, share: float, spread: float = 0.0) -> float:
    """Return the value that a new residual exceeds with probability `share`.

    residuals: (m,) at least 0, in order of time. NaN marks a residual that is unknown.
    spread: the standard deviation of the residuals if they are nearly normal noise. If they are few, their
    extrapolation is then bounded by Student's t prediction interval of one more observation.
    """
    known = residuals[np.isfinite(residuals)][-NEWEST:]
    if len(known) < 3:
        return max(student_t(share, 2) * spread, 4 * float(known.max(initial=0.0)), SMALLEST)
    return bounded(without_incidents(known, share), share, spread)


def bounded(residuals: Values, share: float, spread: float) -> float:
    """Return the boundary of residuals (m,) without incidents; if they are few, limit the extrapolation."""
    value = alarms.boundary(residuals, share)
    if len(residuals) < FEW:
        predicted = student_t(share, max(len(residuals) - 1, 2)) * math.sqrt(1 + 1 / len(residuals)) * spread
        value = min(value, max(1.15 * float(residuals.max()), predicted))
    return max(value, SMALLEST)


def without_incidents(residuals: Values, share: float) -> Values:
    """Leave out the highest excursions, provided that each lies far beyond the boundary of the rest.

    residuals: (m,) at least 0, in order of time. Peaks at regular distances stay: a job that runs every night.
    """
    reach = min(EXCURSION_REACH, max(len(residuals) // 500, 1))
    usual = 1.5 * float(np.median(residuals))
    left_out = np.zeros(len(residuals), dtype=np.bool_)
    normal, peaks = residuals, list[int]()
    for peak in np.argsort(-residuals, kind="stable")[: len(residuals) // 10 + 100].tolist():
        if left_out[peak]:
            continue
        if len(peaks) == MOST_INCIDENTS or residuals[peak] <= usual:
            break
        insort(peaks, peak)
        left_out[max(peak - reach, 0) : peak + reach + 1] = True
        rest = residuals[~left_out]
        if left_out.mean() > MOST_INCIDENT_SHARE or len(rest) < FEWEST_NORMAL:
            break
        if not _are_regular(peaks, 4 * reach) and residuals[peak] > INCIDENT * alarms.boundary(rest, share):
            normal = rest
    return normal


def _are_regular(peaks: Sequence[int], least_distance: int) -> bool:
    """Return whether nearly all distances between increasing places are multiples of the shortest one."""
    if len(peaks) < REGULAR_TIMES:
        return False
    distances = np.diff(peaks)
    shortest = int(distances.min())
    turns = distances / max(shortest, 1)
    is_multiple = np.abs(turns - np.round(turns)) < 0.1
    return shortest > least_distance and float(is_multiple.mean()) > REGULAR_SHARE


def student_t(share: float, degrees: float) -> float:
    """Return the value that Student's t exceeds with probability `share`.

    The Cornish-Fisher expansion in 1 / degrees [Abramowitz, Stegun, 26.7.5]: good to a few percent from 3 degrees on.
    """
    z = NormalDist().inv_cdf(1 - max(share, 1e-6))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))


def tempered(ratios: Values) -> Values:
    """Return ratios (m,) as scores: below 1 they matter little, above 1 they count by their logarithm.

    A ratio of 100 is not ten times as improbable as one of 10, and a ratio below 1 says almost nothing. On labeled
    series, the largest tempered ratio ranks points nearly as well as the best witness; the largest plain ratio ranks
    them much worse.
    """
    above = 1 + TEMPER * np.log(np.maximum(ratios, 1.0))
    return np.where(ratios > 1, above, np.minimum(ratios, 1.0) ** SHARPNESS)


def eased(ratios: Values) -> Values:
    """Return the ratios (m,) of the shape as scores: above 1, they count by their logarithm.

    The windows that hold one large spike stay far from all others. As plain ratios, they would lift the boundary so
    high that no witness exceeded it for hundreds of points after the spike.
    """
    return np.where(ratios > 1, 1 + np.log(np.maximum(ratios, 1.0)), ratios)


def untempered(scores: Values) -> Values:
    """Return the ratios (m,) that `tempered` turns into scores (m,) >= 1; finite."""
    return np.asarray(np.exp(np.minimum((scores - 1) / TEMPER, 100.0)))
