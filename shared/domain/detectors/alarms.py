"""What an alarm rate means: the score that only so many held-out points exceed.

Up to the rank that the held-out residuals reach, their own order decides, which promises the rate whatever their
distribution is [Vovk, Gammerman, Shafer: Algorithmic learning in a random world, 2005]. Beyond it a generalized Pareto
tail extrapolates [Pickands 1975]; its moments [Hosking, Wallis 1987] need no search, so the same residuals always
give the same boundary.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.parameters import ALARM_RATE
from shared.domain.series import Timestamps, Values

TAIL_SHARE = 0.02
TAIL_POINTS = 10  # fewest that a tail is fitted to
EXCURSION_GAP = 64  # points: residuals farther apart belong to different excursions
MIN_SHARE, MAX_SHARE = 1e-9, 0.5
SECONDS = {"hour": 3_600, "day": 86_400, "week": 604_800}


def share_of(alarm_rate: str, interval_s: float) -> float:
    """The share of normal points that may raise an alarm; `alarm_rate` must not be off."""
    match = re.search(ALARM_RATE, alarm_rate)
    assert match is not None  # noqa: S101 - the parameter was checked
    alarms, points, unit = match.groups()
    share = int(alarms) / int(points) if points else int(alarms) * interval_s / SECONDS[unit]
    return min(max(share, MIN_SHARE), MAX_SHARE)


def interval_of(timestamps: Timestamps) -> float:
    """The median distance between consecutive points in seconds; 1 for a single point."""
    return float(np.median(np.diff(timestamps))) if len(timestamps) > 1 else 1.0


@dataclass(frozen=True, slots=True)
class Tail:
    """The upper part of residuals: `share` of them exceed `start` by amounts of a generalized Pareto distribution."""

    start: float
    share: float
    shape: float  # at least 0: no end point
    scale: float

    @classmethod
    def of(cls, residuals: Values) -> "Tail":
        """Fit by moments; residuals (m,) are not negative, and in order of time.

        Neighbors exceed together, so many residuals may come from few excursions. Of k observations an exponential
        tail is known so well that the next excess has a generalized Pareto distribution of shape 1 / k [Aitchison,
        Dunsmore: Statistical prediction analysis, 1975]; half of that keeps the promise on average over real series.
        """
        share = min(max(TAIL_SHARE, TAIL_POINTS / len(residuals)), 0.5)
        start = float(np.quantile(residuals, 1 - share))
        places = np.flatnonzero(residuals > start)
        excess = residuals[places] - start
        mean = float(excess.mean()) if len(excess) else 0.0
        variance = float(excess.var()) if len(excess) else 0.0
        if mean <= 0 or variance <= 0:
            return cls(start, share, 0.0, max(mean, 1e-12))
        shape = min(max((1 - mean * mean / variance) / 2, 0.0), 0.5)
        excursions = 1 + np.count_nonzero(np.diff(places) > EXCURSION_GAP)
        return cls(start, share, shape + 0.5 / excursions, max(mean * (1 - shape), 1e-12))

    def beyond(self, share: float) -> float:
        """The residual that `share` (at most `self.share`) exceed."""
        ratio = math.log(self.share / share)
        if self.shape < 1e-6:
            return self.start + self.scale * ratio
        return self.start + self.scale * math.expm1(self.shape * ratio) / self.shape


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where alarms begin, and how many false ones that promises."""

    value: float  # in the unit of the residuals it was learned from
    promise: str

    @classmethod
    def of(cls, residuals: Values, alarm_rate: str, interval_s: float) -> "Boundary":
        """Learn it from held-out residuals (m,) >= 0 of points `interval_s` apart, for a rate that is not off."""
        share = share_of(alarm_rate, interval_s)
        return cls(boundary(residuals, share), promise(share, len(residuals)))


def boundary(residuals: Values, share: float) -> float:
    """The value above which a new residual lies with probability `share`; residuals (m,) >= 0; always above 0."""
    tail = Tail.of(residuals)
    if share < tail.share:
        return max(tail.beyond(share), 1e-9)
    rank = min(math.ceil((1 - share) * (len(residuals) + 1)), len(residuals))
    return max(float(np.sort(residuals)[rank - 1]), 1e-9)


def promise(share: float, residuals: int) -> str:
    """A sentence that says which rate is promised, and whether so many held-out residuals can show it."""
    rate = f"One false alarm in {1 / share:,.0f} points"
    held_out = f"{residuals:,} held-out points"
    if 1 / share <= residuals:
        return f"{rate}, measured on {held_out}, while the future resembles them."
    return f"{rate} is extrapolated: {held_out} are too few to promise less than 1 in {residuals:,}."
