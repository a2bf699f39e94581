"""Seasonal: a value is judged by what is usual at its time of day or week, or at its phase of a period."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors import alarms
from shared.domain.detectors.contract import (
    Detector,
    Explanation,
    ParameterValues,
    Progress,
    Scores,
    banded,
)
from shared.domain.detectors.cycles import DAY_S, FEWEST_CYCLES, WEEK_S, Bins, Cycle, Profile, candidates
from shared.domain.detectors.incidents import calm
from shared.domain.detectors.parameters import AlarmRate, Choice, Windows
from shared.domain.series import Series, Timestamps, Values
from shared.errors import Code, InputError

FOLDS = 5
SAMPLE = 50_000  # points that choose the cycle and the boundary
BETTER = 0.95  # of the error that is left: a cycle must be worth its parameters
MIN_POINTS = 16


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Level and spread by phase, and where the band ends."""

    seconds: float  # length of the cycle; 0 = none was found
    start: int
    level: Values  # (bins,)
    spread: Values  # (bins,)
    threshold: float  # in spreads
    explained: float  # share of the error that the cycle takes away, measured on points held out
    promise: str

    @property
    def cycle(self) -> Cycle:
        """The cycle by which timestamps are turned into phases."""
        return Cycle(self.seconds, self.start, len(self.level))


def check(series: Series, parameters: ParameterValues) -> None:
    """Raise `InputError` where the cycle that was asked for is not there twice."""
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
    centre = float(np.median(series.values))
    scale = float(np.abs(series.values - centre).max())
    scaled = Series(series.timestamps, (series.values - centre) / scale)
    sample = _sampled(scaled)
    kind = parameters["cycle"]
    flat = Cycle(0.0, int(series.timestamps[0]), 1)
    tried = [flat] if kind == "auto" else []
    tried += candidates(scaled, ["day", "period", "week"] if kind == "auto" else [kind])
    best, ratios, error = tried[0], np.empty(0), np.inf
    first = None
    for done, cycle in enumerate(tried):
        distances, found = _held_out(sample, cycle)
        own = float(np.minimum(distances, np.quantile(distances, 0.99)).mean())
        first = own if first is None else first
        if own < BETTER * error:
            best, ratios, error = cycle, found, own
        progress(0.8 * (done + 1) / len(tried))
    assert first is not None  # noqa: S101 - at least one is tried
    share = alarms.share_of(parameters["alarm_rate"], alarms.interval_of(series.timestamps))
    profile = Profile.of(scaled.values, best.bin_of(series.timestamps), best.bins)
    residuals = calm(ratios)
    progress(1.0)
    return Seasonal(
        seconds=best.seconds,
        start=best.start,
        level=centre + profile.level * scale,
        spread=np.maximum(profile.spread * scale, np.spacing(0.0)),
        threshold=alarms.boundary(residuals, share),
        explained=1 - error / max(first, 1e-300),
        promise=alarms.promise(share, len(residuals)),
    )


def _sampled(series: Series) -> Series:
    """At most `SAMPLE` points: one somewhere in each of as many equal stretches, so that no rhythm is missed."""
    if len(series) <= SAMPLE:
        return series
    edges = np.arange(SAMPLE + 1) * len(series) // SAMPLE
    jitter = np.random.PCG64(0).random_raw(SAMPLE) % np.diff(edges).astype(np.uint64)
    places = edges[:-1] + jitter.astype(np.int64)
    return Series(series.timestamps[places], series.values[places])


def _held_out(series: Series, cycle: Cycle) -> tuple[Values, Values]:
    """Distances (n,) from the level learnt without the stretch a point lies in; and the same in spreads."""
    bins = cycle.bin_of(series.timestamps)
    fold = _folds(series, cycle)
    distances, ratios = np.empty(len(series)), np.empty(len(series))
    for each in range(int(fold.max()) + 1):
        out = fold == each
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
    return banded(values, state.level[bins], state.spread[bins] * state.threshold)


def explain(state: Seasonal, _values: Values, timestamps: Timestamps, _context: Values) -> Explanation:
    """The phase that the last point lies in."""
    cycle = state.cycle
    return Explanation(component=f"what is usual {cycle.name_of(int(cycle.bin_of(timestamps[-1:])[0]))}")


def learnt(state: Seasonal) -> dict[str, float | str]:
    """The cycle, what it explains, and what is promised."""
    names = {0.0: "none", DAY_S: "day", WEEK_S: "week"}
    return {
        "cycle": names.get(state.seconds, "period"),
        "cycle_s": state.seconds,
        "phases": float(len(state.level)),
        "explained": state.explained,
        "threshold": state.threshold,
        "promise": state.promise,
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
