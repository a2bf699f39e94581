"""Alarms and width of the band of `seasonal` with few turns of a cycle, compared with what was promised."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from shared.domain.detectors import learn, named
from shared.domain.detectors.contract import ignore_progress
from shared.domain.series import Series, Timestamps, Values

FIGURES = ("alarms_per_10k", "width_ratio", "seeds")
TURNS = (3, 4, 5, 6, 8)
SEEDS = 12
MONDAY, DAY_S, WEEK_S = 1_767_571_200, 86_400, 604_800
FEWEST_JUDGED = 2_000
NOISE = 2.0
IDEAL = NormalDist().inv_cdf(1 - 0.001 / 2)  # deviations, if level and spread were known


@dataclass(frozen=True, slots=True)
class Kind:
    """A series with normal noise around a cycle."""

    name: str
    values: Callable[[Timestamps], Values]
    cycle: str
    cycle_s: int
    interval_s: int
    noise: Callable[[Timestamps], Values]


def _wave(timestamps: Timestamps) -> Values:
    return 50 + 20 * np.sin(2 * np.pi * timestamps / DAY_S)


def _office(timestamps: Timestamps) -> Values:
    hours = timestamps % DAY_S // 3_600
    return np.where((hours >= 8) & (hours < 18), 80.0, 20.0)


def _week(timestamps: Timestamps) -> Values:
    return np.where((timestamps - MONDAY) // DAY_S % 7 < 5, 30.0, 0.0) + _wave(timestamps)


def _period(timestamps: Timestamps) -> Values:
    return np.asarray(10 * np.sin(2 * np.pi * timestamps / 12_000), dtype=np.float64)


def _even(timestamps: Timestamps) -> Values:
    return np.full(len(timestamps), NOISE)


def _calm_mornings(timestamps: Timestamps) -> Values:
    return np.where(timestamps % DAY_S > DAY_S // 2, 2 * NOISE, NOISE / 2)


KINDS = (
    Kind("wave of a day, 1 minute", _wave, "day", DAY_S, 60, _even),
    Kind("wave of a day, 5 minutes", _wave, "day", DAY_S, 300, _even),
    Kind("wave of a day, 15 minutes", _wave, "day", DAY_S, 900, _even),
    Kind("wave of a day, hourly", _wave, "day", DAY_S, 3_600, _even),
    Kind("office hours, 5 minutes", _office, "day", DAY_S, 300, _even),
    Kind("wave of a day, calm mornings, 15 minutes", _wave, "day", DAY_S, 900, _calm_mornings),
    Kind("week, 15 minutes", _week, "week", WEEK_S, 900, _even),
    Kind("week, hourly", _week, "week", WEEK_S, 3_600, _even),
    Kind("period of 200 points", _period, "period", 12_000, 60, _even),
)


def measure(case: tuple[Kind, int]) -> list[float]:
    """Return the `FIGURES` of a kind with so many turns: means over the seeds."""
    kind, turns = case
    outcomes = [_alarms_and_width(kind, turns, seed) for seed in range(SEEDS)]
    alarms, widths = np.mean(outcomes, axis=0).tolist()
    return [1e4 * alarms, widths, float(SEEDS)]


def _alarms_and_width(kind: Kind, turns: int, seed: int) -> tuple[float, float]:
    """Return the share of alarms in the points after the turns, and the median width of the band over the ideal one."""
    history = turns * kind.cycle_s // kind.interval_s
    points = history + max(3 * kind.cycle_s // kind.interval_s, FEWEST_JUDGED)
    timestamps = MONDAY + kind.interval_s * np.arange(points)
    noise = kind.noise(timestamps)
    values = np.round(
        kind.values(timestamps) + noise * np.random.default_rng(1_000 * turns + seed).normal(size=points), 2
    )
    known = Series(timestamps[:history], values[:history])
    fitted = learn(named("seasonal"), known, {"cycle": kind.cycle}, ignore_progress)
    scores = fitted.score(values[history:], timestamps[history:], np.empty(0))
    if scores.upper is None or scores.lower is None:
        return math.nan, math.nan
    widths = (scores.upper - scores.lower) / (2 * IDEAL * noise[history:])
    return float((scores.score > 1).mean()), float(np.median(widths))
