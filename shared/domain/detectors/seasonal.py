"""Seasonal: a value is judged by what is usual at its time of day or week, or at its phase of a period."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.alarms import Boundary, interval_of
from shared.domain.detectors.contract import (
    Detector,
    Explanation,
    ParameterValues,
    Progress,
    Scores,
    banded,
)
from shared.domain.detectors.cycles import DAY_S, FEWEST_CYCLES, WEEK_S, Bins, Cycle, Profile, candidates
from shared.domain.detectors.incidents import drop_incident_distances
from shared.domain.detectors.parameters import AlarmRate, Choice, Windows
from shared.domain.series import Series, Timestamps, Values
from shared.errors import Code, InputError

FOLDS = 5
SAMPLE = 50_000  # points that choose the cycle and the boundary
MAX_ERROR_RATIO = 0.95  # of the error that is left: a cycle must be worth its parameters
MIN_POINTS = 16


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Level and spread by phase, and where the band ends."""

    cycle: Cycle  # by which timestamps are turned into phases; of 0 seconds where nothing repeats
    profile: Profile
    boundary: Boundary  # in spreads
    explained: float  # share of the error that the cycle takes away, measured on points held out


@dataclass(frozen=True, slots=True)
class CycleTrial:
    """A cycle, and how it did on the points held out."""

    cycle: Cycle
    ratios: Values  # (n,) distances from the level, in spreads
    error: float  # mean distance from the level

    @classmethod
    def of(cls, sample: Series, cycle: Cycle) -> "CycleTrial":
        """Measure; the largest hundredth of the distances counts as the 99 % quantile."""
        distances, ratios = _held_out(sample, cycle)
        return cls(cycle, ratios, float(np.minimum(distances, np.quantile(distances, 0.99)).mean()))


def check(series: Series, parameters: ParameterValues) -> None:
    """Raise `InputError` if the series does not hold the requested cycle twice."""
    kind = parameters["cycle"]
    if kind != "auto" and not list(candidates(series, [kind])):
        length = {"day": "a day", "week": "a week"}.get(kind, "a period of at most 400 points, which is not found")
        span_s = int(series.timestamps[-1] - series.timestamps[0])
        raise InputError(
            Code.TOO_FEW_POINTS,
            f"The points span {span_s / 3600:,.1f} hours: at least {FEWEST_CYCLES} times {length} is needed "
            "to learn what repeats.",
        )


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Seasonal:
    """Choose the cycle that forecasts held-out stretches best, then learn each phase from all points.

    The values are scaled first, so that neither tiny nor huge ones are rounded away.
    """
    check(series, parameters)
    center = float(np.median(series.values))
    scale = float(np.abs(series.values - center).max())
    scaled = Series(series.timestamps, (series.values - center) / scale)
    best, explained = _best_cycle(scaled, parameters["cycle"], progress)
    profile = Profile.of(scaled.values, best.cycle.bin_of(series.timestamps), best.cycle.bins)
    residuals = drop_incident_distances(best.ratios)
    boundary = Boundary.of(residuals, parameters["alarm_rate"], interval_of(series.timestamps))
    progress(1.0)
    return Seasonal(
        cycle=best.cycle,
        profile=Profile(
            level=center + profile.level * scale, spread=np.maximum(profile.spread * scale, np.spacing(0.0))
        ),
        boundary=boundary,
        explained=explained,
    )


def _best_cycle(scaled: Series, kind: str, progress: Progress) -> tuple[CycleTrial, float]:
    """The cycle that leaves clearly less error than those before it, and the share of the first one's error it saves.

    With `kind` auto the first is none at all; otherwise that kind alone is tried.
    """
    flat = Cycle(0.0, int(scaled.timestamps[0]), 1)
    tried = [flat, *candidates(scaled, ["day", "period", "week"])] if kind == "auto" else [*candidates(scaled, [kind])]
    sample, trials = _sampled(scaled), []
    for done, cycle in enumerate(tried, start=1):
        trials.append(CycleTrial.of(sample, cycle))
        progress(0.8 * done / len(tried))
    best = trials[0]
    for trial in trials[1:]:
        if trial.error < MAX_ERROR_RATIO * best.error:
            best = trial
    return best, 1 - best.error / max(trials[0].error, 1e-300)


def _sampled(series: Series) -> Series:
    """At most `SAMPLE` points: one somewhere in each of as many equal stretches, so that no rhythm is missed."""
    if len(series) <= SAMPLE:
        return series
    edges = np.arange(SAMPLE + 1) * len(series) // SAMPLE
    jitter = np.random.PCG64(0).random_raw(SAMPLE) % np.diff(edges).astype(np.uint64)
    places = edges[:-1] + jitter.astype(np.int64)
    return Series(series.timestamps[places], series.values[places])


def _held_out(series: Series, cycle: Cycle) -> tuple[Values, Values]:
    """Distances (n,) from the level learned without the stretch a point lies in; and the same in spreads."""
    bins = cycle.bin_of(series.timestamps)
    fold = _folds(series, cycle)
    distances, ratios = np.empty(len(series)), np.empty(len(series))
    for number in range(int(fold.max()) + 1):
        out = fold == number
        profile = Profile.of(series.values[~out], bins[~out], cycle.bins)
        distances[out] = np.abs(series.values[out] - profile.level[bins[out]])
        ratios[out] = distances[out] / profile.spread[bins[out]]
    return distances, ratios


def _folds(series: Series, cycle: Cycle) -> Bins:
    """At most `FOLDS` stretches of whole cycles, at least two; of equally many points where nothing repeats."""
    if not cycle.seconds:
        return np.arange(len(series)) * FOLDS // len(series)
    turns = ((series.timestamps - series.timestamps[0]) / cycle.seconds).astype(np.int64)
    _, turns = np.unique(turns, return_inverse=True)
    count = int(turns[-1]) + 1
    return turns * min(FOLDS, count) // count


def score(state: Seasonal, values: Values, timestamps: Timestamps, _context: Values) -> Scores:
    """Distance from the level of the point's phase in units of the band's half width there."""
    bins = state.cycle.bin_of(timestamps)
    return banded(values, state.profile.level[bins], state.profile.spread[bins] * state.boundary.value)


def explain(state: Seasonal, _values: Values, timestamps: Timestamps, _context: Values) -> Explanation:
    """Name the phase of the last point."""
    cycle = state.cycle
    return Explanation(component=f"what is usual {cycle.name_of(int(cycle.bin_of(timestamps[-1:])[0]))}")


def learnt(state: Seasonal) -> dict[str, float | str]:
    """The cycle, what it explains, and the promise."""
    names = {0.0: "none", DAY_S: "day", WEEK_S: "week"}
    return {
        "cycle": names.get(state.cycle.seconds, "period"),
        "cycle_s": state.cycle.seconds,
        "phases": float(state.cycle.bins),
        "explained": state.explained,
        "threshold": state.boundary.value,
        "promise": state.boundary.promise,
    }


DETECTOR = Detector(
    name="seasonal",
    purpose="A value unusual for its time of day or week, or its phase of a period. For rhythms that people make.",
    cost="A few sorts of the training values; a prediction is one look-up.",
    false_alarms="The share of points, held out stretch by stretch, that lay outside the band of their phase.",
    min_points=MIN_POINTS,
    context_points=0,
    parameters=(
        Choice(
            "cycle",
            "auto",
            "What repeats; auto takes what forecasts held-out stretches best, or nothing",
            options=("auto", "day", "week", "period"),
        ),
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
