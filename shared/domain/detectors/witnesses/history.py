"""Training data of the witnesses: the newest regime of the training points, without the incidents in it."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.alarms import interval_of
from shared.domain.detectors.standards import robust_spread, without_outliers
from shared.domain.detectors.witnesses.counters import increments, is_counter
from shared.domain.detectors.witnesses.scale import Scale
from shared.domain.series import Flags, Series, Timestamps, Values

SAMPLE = 20_000  # values, evenly spaced, that show the scale and the regimes of a long history
FEWEST_OF_REGIME = 60
SHORTEST_REGIME, EDGE = 0.05, 15  # minimum of each side of a step: share of the points, and points
STEP_GAIN = 0.5  # a step must leave less than this share of the variance that a straight line leaves
FEWEST_FOR_INCIDENTS = 100
FAR = 8.0  # spreads from the level
INCIDENT_POINTS, MOST_INCIDENTS = 8, 3  # fewest points of an incident; if there are more incidents, they are normal
INCIDENT_SHARE = (0.005, 0.15)  # of all points; shorter ones are left to the calibration


@dataclass(frozen=True, slots=True)
class History:
    """Training points as the witnesses see them, n points from `start` on."""

    start: int  # training points before the newest regime
    timestamps: Timestamps  # (n,)
    values: Values  # (n,); the increments if it is a counter
    usable: Flags  # (n,) False inside incidents
    usual_increment: float  # of a counter; 0 = the series is not a counter
    scale: Scale
    standardized: Values  # (n,), without outliers
    interval_s: float
    timezone: str  # in which days and weeks repeat

    @classmethod
    def of(cls, series: Series, timezone: str) -> "History":
        """Find the newest regime, its incidents and its scale."""
        timestamps, values, usual_increment = series.timestamps, series.values, 0.0
        first = 0
        if is_counter(values):
            usual_increment = float(np.median(np.diff(values)))
            values, timestamps, first = increments(values, usual_increment), timestamps[1:], 1
        start = newest_regime(values)
        timestamps, values = timestamps[start:], values[start:]
        usable = ~incidents(values)
        scale = Scale.of(_sample(values[usable]))
        return cls(
            start=start + first,
            timestamps=timestamps,
            values=values,
            usable=usable,
            usual_increment=usual_increment,
            scale=scale,
            standardized=without_outliers(scale.standardized(values)),
            interval_s=interval_of(series.timestamps),
            timezone=timezone,
        )

    def __len__(self) -> int:
        return len(self.values)


def _sample(values: Values) -> Values:
    return values[:: max(len(values) // SAMPLE, 1)]


def newest_regime(values: Values) -> int:
    """Return where the newest level of values (n,) began; 0 if the level never stepped to values unseen before."""
    stride = max(len(values) // SAMPLE, 1)
    sample, start = values[::stride], 0
    while len(sample) - start >= FEWEST_OF_REGIME:
        step = _step(sample[start:])
        if step == 0:
            break
        start += step
    return start * stride


def _step(values: Values) -> int:
    """Return the place of the largest step in values (m,), or 0 if there is no clear one."""
    points, middle = len(values), float(np.median(values))
    extent = float(np.abs(values - middle).max())
    if extent == 0.0:
        return 0
    values = (values - middle) / extent  # so that no square overflows or vanishes
    winsorized = np.clip(values, *np.quantile(values, (0.02, 0.98)))
    place = _best_step(winsorized)
    before, after = values[:place], values[place:]
    gap = abs(float(np.median(after) - np.median(before)))
    is_sharp = abs(float(np.median(after[:EDGE]) - np.median(before[-EDGE:]))) > 0.5 * gap
    low, high = np.quantile(after, (0.01, 0.99))
    is_new = float(((before >= low) & (before <= high)).mean()) < 0.01
    if not (is_sharp and is_new):
        return 0
    left_by_step = place / points * winsorized[:place].var() + (1 - place / points) * winsorized[place:].var()
    return place if left_by_step < STEP_GAIN * _left_by_line(winsorized) else 0


def _best_step(values: Values) -> int:
    """Return where two levels, one before and one after, explain most of the variance of values (m,)."""
    places = np.arange(1, len(values))
    sums = np.cumsum(values)[:-1]
    gain = (sums - places * values.mean()) ** 2 / (places * (len(values) - places))
    edge = max(int(SHORTEST_REGIME * len(values)), EDGE)
    return edge + int(np.argmax(gain[edge - 1 : len(values) - edge]))


def _left_by_line(values: Values) -> float:
    """Return the variance of values (m,) around their regression line: a trend is not a step."""
    places = np.arange(len(values)) - (len(values) - 1) / 2
    slope = float(places @ values) / float(places @ places)
    return float((values - values.mean() - slope * places).var())


def incidents(values: Values) -> Flags:
    """Flag the points (n,) of at most three stretches of the history that lie far from all the rest."""
    flags = np.zeros(len(values), dtype=np.bool_)
    if len(values) < FEWEST_FOR_INCIDENTS:
        return flags
    sample = _sample(values)
    with np.errstate(over="ignore"):
        far = np.abs(values - np.median(sample)) > FAR * max(robust_spread(sample), float(np.spacing(0.0)))
    mostly_far = np.convolve(far, np.ones(9) / 9, "same") > 0.6
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mostly_far, [False])).astype(np.int8))).tolist()
    stretches = [
        (low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if high - low >= INCIDENT_POINTS
    ]
    share = sum(high - low for low, high in stretches) / len(values)
    few = 0 < len(stretches) <= MOST_INCIDENTS and far.mean() < INCIDENT_SHARE[1]
    if few and INCIDENT_SHARE[0] <= share <= INCIDENT_SHARE[1]:
        for low, high in stretches:
            flags[max(low - 5, 0) : high + 5] = True
    return flags
