"""Decision boundary for an alarm rate: the residual that only this share of points exceeds.

Frequent alarms use the residual at that rank, which guarantees the rate for any distribution [Vovk, Gammerman, Shafer:
Algorithmic learning in a random world, 2005]. Rarer alarms use a generalized Pareto tail [Pickands 1975]. It is fitted
by moments [Hosking, Wallis 1987], which needs no search, so the same residuals always give the same boundary.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.parameters import ALARM_RATE
from shared.domain.series import Timestamps, Values

TAIL_SHARE = 0.02  # of the residuals: rarer alarms use the tail
TAIL_POINTS = 10  # fewest that a tail is fitted to
EXCURSION_GAP = 64  # points: residuals farther apart belong to different excursions
MIN_SHARE, MAX_SHARE = 1e-9, 0.5
HELD_OUT, IN_SAMPLE = "held-out", "in-sample"  # kinds of residuals
SECONDS = {"hour": 3_600, "day": 86_400, "week": 604_800}


def share_of(alarm_rate: str, interval_s: float) -> float:
    """Return the share of normal points that may raise an alarm; `alarm_rate` must not be off."""
    match = re.fullmatch(ALARM_RATE, alarm_rate)
    assert match is not None  # noqa: S101 - the parameter was checked
    alarms, points, unit = match.groups()
    share = int(alarms) / int(points) if points else int(alarms) * interval_s / SECONDS[unit]
    return min(max(share, MIN_SHARE), MAX_SHARE)


def interval_of(timestamps: Timestamps) -> float:
    """Return the median distance between consecutive points in seconds; 1 for a single point."""
    return float(np.median(np.diff(timestamps))) if len(timestamps) > 1 else 1.0


@dataclass(frozen=True, slots=True)
class Tail:
    """Upper tail of residuals: `share` of them exceed `start`, by amounts with a generalized Pareto distribution."""

    start: float
    share: float
    shape: float  # at least 0, so the tail has no upper limit
    scale: float

    @classmethod
    def of(cls, residuals: Values) -> "Tail":
        """Fit by moments to residuals (m,) >= 0 in order of time.

        Residuals are autocorrelated, so many of them may come from few excursions. After k observations of an
        exponential tail, the next excess has a generalized Pareto distribution of shape 1 / k [Aitchison, Dunsmore:
        Statistical prediction analysis, 1975]. Adding half of that meets the rate on average over real series.
        """
        share = min(max(TAIL_SHARE, TAIL_POINTS / len(residuals)), 0.5)
        start = float(np.quantile(residuals, 1 - share))
        indices = np.flatnonzero(residuals > start)
        excess = residuals[indices] - start
        mean = float(excess.mean()) if len(excess) else 0.0
        variance = float(excess.var()) if len(excess) else 0.0
        if mean <= 0 or variance <= 0:
            return cls(start, share, 0.0, max(mean, 1e-12))
        shape = min(max((1 - mean * mean / variance) / 2, 0.0), 0.5)
        excursions = 1 + np.count_nonzero(np.diff(indices) > EXCURSION_GAP)
        return cls(start, share, shape + 0.5 / excursions, max(mean * (1 - shape), 1e-12))

    def beyond(self, share: float) -> float:
        """Return the residual that `share` (at most `self.share`) of all residuals exceed."""
        ratio = math.log(self.share / share)
        if self.shape < 1e-6:
            return self.start + self.scale * ratio
        return self.start + self.scale * math.expm1(self.shape * ratio) / self.shape

    def share_beyond(self, residual: float) -> float | None:
        """Return the share of residuals that exceed this one; None for one that is not in the tail."""
        if residual <= self.start:
            return None
        excess = (residual - self.start) / self.scale
        if self.shape < 1e-6:
            return self.share * math.exp(-min(excess, 700.0))
        return self.share * math.exp(-math.log1p(self.shape * excess) / self.shape)


@dataclass(frozen=True, slots=True)
class Boundary:
    """Decision boundary, and the false-positive rate to expect."""

    value: float  # in the unit of the residuals it was learned from
    promise: str

    @classmethod
    def of(cls, residuals: Values, alarm_rate: str, interval_s: float, kind: str = HELD_OUT) -> "Boundary":
        """Learn the boundary from residuals (m,) >= 0 of points `interval_s` apart, for an alarm rate that is not off.

        kind: `HELD_OUT` or `IN_SAMPLE`.
        """
        share = share_of(alarm_rate, interval_s)
        return cls(boundary(residuals, share), promise(share, len(residuals), kind))


def boundary(residuals: Values, share: float) -> float:
    """Return the value, above 0, that a new residual exceeds with probability `share`; residuals (m,) >= 0."""
    tail = Tail.of(residuals)
    if share < tail.share:
        return max(tail.beyond(share), 1e-9)
    rank = min(math.ceil((1 - share) * (len(residuals) + 1)), len(residuals))
    return max(float(np.sort(residuals)[rank - 1]), 1e-9)


def promise(share: float, residuals: int, kind: str = HELD_OUT) -> str:
    """Describe the rate to expect, and whether so many residuals are enough to measure it."""
    rate = f"One false alarm in {1 / share:,.0f} points"
    sample = f"{residuals:,} {kind} points"
    if 1 / share <= residuals:
        return f"{rate}, measured on {sample}. It holds while new data resembles them."
    return f"{rate}, extrapolated: {sample} are too few to measure rates below 1 in {residuals:,}."
