"""Histories that are short, broken or have changed."""

import numpy as np

from benchmark.accuracy.everyday.case import (
    DAY,
    HOUR,
    MINUTE,
    Anomaly,
    Case,
    Random,
    constant,
    hour_of,
    louder,
    plus,
    rounded,
    stuck,
    times,
    working_day,
)
from shared.domain.series import Timestamps, Values


def _noise(timestamps: Timestamps, random: Random) -> Values:
    return random.normal(0, 1, len(timestamps))


def _step_half_way(timestamps: Timestamps, random: Random) -> Values:
    return random.normal(0, 1, len(timestamps)) + np.where(np.arange(len(timestamps)) < 1_000, 10, 20)


def _flat_then_active(timestamps: Timestamps, random: Random) -> Values:
    place = np.arange(len(timestamps))
    active = 40 + 10 * np.sin(2 * np.pi * place / 50)
    active[1_500:] += random.normal(0, 2, len(place) - 1_500)
    return np.where(place < 1_500, 0.0, active)


def _drifting(timestamps: Timestamps, random: Random) -> Values:
    return 50 + 0.01 * np.arange(len(timestamps)) + random.normal(0, 1, len(timestamps))


def _short(timestamps: Timestamps, random: Random) -> Values:
    return rounded(random.normal(100, 6, len(timestamps)))


def _short_hourly(timestamps: Timestamps, random: Random) -> Values:
    day = np.sin(2 * np.pi * hour_of(timestamps) / 24)
    return rounded(100 + 40 * day + random.normal(0, 5, len(timestamps)))


def _with_incident(timestamps: Timestamps, random: Random) -> Values:
    values = 100 + random.normal(0, 5, len(timestamps))
    values[700:820] *= 4
    return values


def _gappy(timestamps: Timestamps, random: Random) -> Values:
    return 20 + 6 * np.sin(2 * np.pi * hour_of(timestamps) / 24) + random.normal(0, 0.4, len(timestamps))


def _irregular(timestamps: Timestamps, random: Random) -> Values:
    return rounded(200 * working_day(timestamps) * np.exp(random.normal(0, 0.08, len(timestamps))))


CASES = (
    Case(
        "white_noise",
        1_500,
        MINUTE,
        200,
        (
            Anomaly("plus 7 deviations", 60, 1, plus(7)),
            Anomaly("minus 7 deviations", 90, 1, plus(-7)),
            Anomaly("plus 4 deviations for 10", 120, 10, plus(4)),
            Anomaly("stuck for 40", 140, 40, stuck),
            Anomaly("five times the noise", 160, 30, times(5)),
        ),
        _noise,
    ),
    Case(
        "regime_step_half_way",
        2_000,
        MINUTE,
        200,
        (
            Anomaly("back at the old level for 20", 60, 20, plus(-10)),
            Anomaly("plus 10", 100, 1, plus(10)),
            Anomaly("minus 15", 120, 1, plus(-15)),
            Anomaly("zero", 140, 3, constant(0)),
            Anomaly("five times the noise", 160, 30, lambda values, _before: 20 + 5 * (values - 20)),
        ),
        _step_half_way,
    ),
    Case(
        "flat_then_activity",
        2_000,
        MINUTE,
        200,
        (
            Anomaly("200", 60, 1, constant(200)),
            Anomaly("zero for 60", 80, 60, constant(0)),
            Anomaly("negative", 150, 1, constant(-50)),
            Anomaly("three times for 10", 160, 10, times(3)),
            Anomaly("150", 190, 1, constant(150)),
        ),
        _flat_then_active,
    ),
    Case(
        "slow_linear_drift",
        2_000,
        5 * MINUTE,
        300,
        (
            Anomaly("plus 8 deviations", 60, 1, plus(8)),
            Anomaly("minus 8 deviations", 90, 1, plus(-8)),
            Anomaly("plus 6 for 10", 120, 10, plus(6)),
            Anomaly("stuck for 40", 160, 40, stuck),
            Anomaly("six times the noise", 220, 30, louder(6)),
        ),
        _drifting,
    ),
    Case(
        "short_20",
        20,
        DAY,
        10,
        (
            Anomaly("five times", 2, 1, times(5)),
            Anomaly("zero", 4, 1, constant(0)),
            Anomaly("three times", 6, 1, times(3)),
            Anomaly("negative", 7, 1, constant(-50)),
            Anomaly("twice", 9, 1, times(2)),
        ),
        _short,
    ),
    Case(
        "short_40_hourly",
        40,
        HOUR,
        24,
        (
            Anomaly("five times", 2, 1, times(5)),
            Anomaly("zero", 6, 1, constant(0)),
            Anomaly("three times", 9, 1, times(3)),
            Anomaly("negative", 12, 1, constant(-50)),
            Anomaly("the night as warm as the day", 23, 1, times(2)),
        ),
        _short_hourly,
    ),
    Case(
        "history_with_incident",
        1_500,
        MINUTE,
        200,
        (
            Anomaly("five times", 60, 1, times(5)),
            Anomaly("zero", 90, 2, constant(0)),
            Anomaly("three times for 10", 120, 10, times(3)),
            Anomaly("negative", 150, 1, constant(-100)),
            Anomaly("twice for 30", 160, 30, times(2)),
        ),
        _with_incident,
    ),
    Case(
        "missing_blocks",
        1_500,
        10 * MINUTE,
        200,
        (
            Anomaly("plus 8", 60, 1, plus(8)),
            Anomaly("zero", 90, 2, constant(0)),
            Anomaly("stuck for 40", 100, 40, stuck),
            Anomaly("upside down for 60", 120, 60, lambda values, _before: 40 - values),
            Anomaly("five times the noise", 160, 30, louder(5)),
        ),
        _gappy,
        gaps=((300, 100), (700, 200), (1_300, 150)),
    ),
    Case(
        "irregular_times",
        2_000,
        -600.0,
        200,
        (
            Anomaly("nothing for 3", 60, 3, constant(0)),
            Anomaly("three times", 90, 1, times(3)),
            Anomaly("a third for 15", 110, 15, times(0.33)),
            Anomaly("negative", 150, 1, constant(-50)),
            Anomaly("stuck for 30", 160, 30, stuck),
        ),
        _irregular,
    ),
)
