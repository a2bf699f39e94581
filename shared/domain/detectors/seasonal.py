"""Seasonal: compares a value with the usual level at its time of day, time of week or phase of a period."""

import math
from dataclasses import dataclass, replace

import numpy as np

from shared.domain.detectors import alarms
from shared.domain.detectors.alarms import Boundary, interval_of, promise, share_of
from shared.domain.detectors.clocks import Clock
from shared.domain.detectors.contract import (
    Detector,
    Explanation,
    ParameterValues,
    Progress,
    Scores,
    banded,
)
from shared.domain.detectors.cycles import DAY_S, FEWEST_CYCLES, WEEK_S, Bins, Cycle, candidates
from shared.domain.detectors.incidents import drop_incident_distances
from shared.domain.detectors.parameters import AlarmRate, Choice, TimeZone, Windows
from shared.domain.detectors.profiles import Profile, levels, median_variance, smoothed, spreads
from shared.domain.detectors.standards import robust_spread
from shared.domain.detectors.witnesses import calibration
from shared.domain.series import Series, Timestamps, Values
from shared.errors import Code, InputError

FOLDS = 8
SAMPLE = 50_000  # most points used to choose the cycle and the boundary
MAX_ERROR_RATIO = 0.95  # of the held-out error without it: a cycle must be worth its parameters
MIN_POINTS = 16
SMOOTH_VARIANCE = 0.3  # of the variance of a level is left when it is smoothed, typically


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Level and spread by phase, and where the band ends."""

    cycle: Cycle  # maps timestamps to phases; 0 seconds if nothing repeats
    profile: Profile
    boundary: Boundary  # in spreads
    explained: float  # share of the held-out error that the cycle removes


@dataclass(frozen=True, slots=True)
class CycleTrial:
    """A candidate cycle and its held-out errors."""

    cycle: Cycle
    distances: Values  # (n,) from the level, of points held out
    error: float  # mean distance from the level
    level_error: float  # standard error of the levels of all points; 0 = they are not smoothed

    @classmethod
    def of(cls, sample: Series, cycle: Cycle) -> "CycleTrial":
        """Cross-validate the cycle, with plain and with smooth levels, whichever errs less."""
        plain = _held_out(sample, cycle, 0.0)
        points = len(sample) / cycle.bins
        noise = robust_spread(plain) / math.sqrt(1 + median_variance(points))
        smooth = _held_out(sample, cycle, noise)
        if _error(smooth) < _error(plain):
            return cls(cycle, smooth, _error(smooth), noise * math.sqrt(median_variance(points)))
        return cls(cycle, plain, _error(plain), 0.0)

    def levels(self, series: Series) -> Values:
        """Return the levels (bins,) of all points (n,)."""
        level = levels(series.values, self.cycle.bin_of(series.timestamps), self.cycle.bins)
        return smoothed(level, self.level_error) if self.level_error else level


def _error(distances: Values) -> float:
    """Return the mean of the distances (n,), clipped at their 99th percentile."""
    return float(np.minimum(distances, np.quantile(distances, 0.99)).mean())


def check(series: Series, parameters: ParameterValues) -> None:
    """Raise `InputError` if the series does not hold the requested cycle twice."""
    kind = parameters["cycle"]
    if kind != "auto" and not list(candidates(series, [kind], Clock(parameters["timezone"]))):
        needed = {
            "day": f"{FEWEST_CYCLES} days of data, with several points per day",
            "week": f"{FEWEST_CYCLES} weeks of data, with several points per week",
            "period": f"{FEWEST_CYCLES} repetitions of a period of at most 400 points, and none was found",
        }[kind]
        span_s = int(series.timestamps[-1] - series.timestamps[0])
        raise InputError(
            Code.TOO_FEW_POINTS,
            f"The points span {span_s / 3600:,.1f} hours. The cycle {kind!r} needs at least {needed}.",
        )


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Seasonal:
    """Choose the cycle with the smallest held-out error, then learn each phase from all points.

    Scaling the values first keeps the precision of tiny and huge ones.
    """
    check(series, parameters)
    center = float(np.median(series.values))
    scale = float(np.abs(series.values - center).max())
    scaled = Series(series.timestamps, (series.values - center) / scale)
    sample = _sampled(scaled)
    clock = Clock.of(scaled.timestamps, scaled.values, parameters["timezone"])
    best, explained = _best_cycle(sample, scaled, parameters["cycle"], clock, progress)
    sample_bins = best.cycle.bin_of(sample.timestamps)
    spread = spreads(sample.values, sample_bins, best.cycle.bins, best.distances)
    residuals = drop_incident_distances(best.distances / spread[sample_bins])
    boundary = _boundary(residuals, parameters["alarm_rate"], interval_of(series.timestamps))
    progress(1.0)
    return Seasonal(
        cycle=best.cycle,
        profile=Profile(
            level=center + best.levels(scaled) * scale,
            spread=np.where(spread > 0, np.maximum(spread * scale, np.spacing(0.0)), 0.0),
        ),
        boundary=boundary,
        explained=explained,
    )


def _boundary(residuals: Values, alarm_rate: str, interval_s: float) -> Boundary:
    """Return the boundary of residuals (m,) in spreads.

    If they are too few to hold one alarm at this rate, the boundary is at most the one of normal residuals with the
    same maximum, or Student's t if that is more.
    """
    share, points = share_of(alarm_rate, interval_s), len(residuals)
    value = alarms.boundary(residuals, share)
    if points < 1 / share:
        degrees = max(points - 1, 2)
        normal = calibration.student_t(share / 2, degrees)
        usual_maximum = calibration.student_t(1 / (2 * points + 2), degrees)
        value = min(value, normal * max(float(residuals.max()) / usual_maximum, math.sqrt(1 + 1 / points)))
    return Boundary(value, promise(share, points))


def _best_cycle(
    sample: Series, scaled: Series, kind: str, clock: Clock, progress: Progress
) -> tuple[CycleTrial, float]:
    """Return the best cycle, and the share of the first candidate's error that it removes.

    A candidate wins only if its error is clearly smaller than that of the best one before it. With `kind` auto, the
    first candidate is no cycle; otherwise `kind` is the only candidate.
    """
    flat = Cycle(0.0, int(scaled.timestamps[0]), 1)
    kinds = ["day", "period", "week"] if kind == "auto" else [kind]
    cycles = [*([flat] if kind == "auto" else []), *candidates(scaled, kinds, clock)]
    trials = []
    for done, cycle in enumerate(cycles, start=1):
        trials.append(CycleTrial.of(sample, cycle))
        progress(0.8 * done / len(cycles))
    best = trials[0]
    for trial in trials[1:]:
        if trial.error < MAX_ERROR_RATIO * best.error:
            best = trial
    return best, 1 - best.error / max(trials[0].error, 1e-300)


def _sampled(series: Series) -> Series:
    """Return at most `SAMPLE` points: one pseudo-random point from each of as many equal parts, to avoid aliasing."""
    if len(series) <= SAMPLE:
        return series
    edges = np.arange(SAMPLE + 1) * len(series) // SAMPLE
    jitter = np.random.PCG64(0).random_raw(SAMPLE) % np.diff(edges).astype(np.uint64)
    indices = edges[:-1] + jitter.astype(np.int64)
    return Series(series.timestamps[indices], series.values[indices])


def _held_out(series: Series, cycle: Cycle, noise: float) -> Values:
    """Return the distances (n,) of points from the level of their phase, learned without their part of the series.

    noise: standard deviation of the values around their level, by which the levels are smoothed; 0 = they are not.

    A held-out level has fewer values than the final one, so the distances are scaled down; not by less than 2 %,
    because many equal values would then lie just outside the band.
    """
    bins = cycle.bin_of(series.timestamps)
    fold = _folds(series, cycle)
    folds = int(fold.max()) + 1
    points = len(series) / cycle.bins
    variances = median_variance(points), median_variance(points * (1 - 1 / folds))
    distances = np.empty(len(series))
    for number in range(folds):
        held_out = fold == number
        level = levels(series.values[~held_out], bins[~held_out], cycle.bins)
        if noise:
            level = smoothed(level, noise * math.sqrt(variances[1]))
        distances[held_out] = np.abs(series.values[held_out] - level[bins[held_out]])
    weight = SMOOTH_VARIANCE if noise else 1.0
    factor = math.sqrt((1 + weight * variances[0]) / (1 + weight * variances[1]))
    return distances * factor if factor < 0.98 else distances


def _folds(series: Series, cycle: Cycle) -> Bins:
    """Return the fold (n,) of each point: 2 to `FOLDS` blocks of whole cycles, or equal blocks if nothing repeats."""
    if not cycle.seconds:
        return np.arange(len(series)) * FOLDS // len(series)
    local = cycle.clock.local(series.timestamps)
    numbers = ((local - local[0]) / cycle.seconds).astype(np.int64)
    _, numbers = np.unique(numbers, return_inverse=True)
    count = int(numbers[-1]) + 1
    return numbers * min(FOLDS, count) // count


def score(state: Seasonal, values: Values, timestamps: Timestamps, _context: Values) -> Scores:
    """Score by distance from the level of the point's phase, in units of the band's half width there."""
    bins = state.cycle.bin_of(timestamps)
    spread = state.profile.spread[bins]
    unknown = spread == 0
    if not unknown.any():
        return banded(values, state.profile.level[bins], spread * state.boundary.value)
    typical = float(np.median(state.profile.spread[state.profile.spread > 0]))
    scores = banded(values, state.profile.level[bins], np.where(unknown, typical, spread) * state.boundary.value)
    return replace(scores, score=np.where(unknown, 0.0, scores.score), unseen=unknown)


def explain(state: Seasonal, _values: Values, timestamps: Timestamps, _context: Values) -> Explanation:
    """Name the phase of the last point."""
    cycle = state.cycle
    return Explanation(component=f"the usual level {cycle.name_of(int(cycle.bin_of(timestamps[-1:])[0]))}")


def learnt(state: Seasonal) -> dict[str, float | str]:
    """Return the cycle, the share of the error that it removes, and the rate to expect."""
    names = {0.0: "none", DAY_S: "day", WEEK_S: "week"}
    changes = {"clock_changes": found} if (found := state.cycle.clock.found) else {}
    return {
        "cycle": names.get(state.cycle.seconds, "period"),
        "cycle_s": state.cycle.seconds,
        "phases": float(state.cycle.bins),
        "explained": state.explained,
        "threshold": state.boundary.value,
        "promise": state.boundary.promise,
        **changes,
    }


DETECTOR = Detector(
    name="seasonal",
    purpose="Values unusual for their time of day or week, or their phase of a period. For daily and weekly patterns.",
    cost="Fit: a few sorts of the training values. Prediction: one lookup.",
    false_alarms="Share of held-out points outside the band of their phase; the folds are blocks of whole cycles.",
    min_points=MIN_POINTS,
    context_points=0,
    parameters=(
        Choice(
            "cycle",
            "auto",
            "What repeats; auto picks the cycle with the smallest held-out error, or none",
            options=("auto", "day", "week", "period"),
        ),
        TimeZone(),
        AlarmRate(),
        Windows(),
    ),
    state=Seasonal,
    fit=fit,
    score=score,
    learnt=learnt,
    check=check,
    explain=explain,
)
