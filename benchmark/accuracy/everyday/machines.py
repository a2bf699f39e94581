"""What machines report: latencies, loads, jobs, counters, errors, queues, disks."""

import numpy as np

from benchmark.accuracy.everyday.case import (
    HOUR,
    MINUTE,
    Anomaly,
    Case,
    Random,
    autoregressive,
    constant,
    hour_of,
    plus,
    rounded,
    stuck,
    times,
    weekday_of,
    working_day,
)
from shared.domain.series import Timestamps, Values


def _binary(timestamps: Timestamps, random: Random) -> Values:
    values, place = np.zeros(len(timestamps)), 0
    while place < len(values):
        place += int(random.integers(20, 80))
        length = int(random.integers(3, 9))
        values[place : place + length] = 1
        place += length
    return values


def _latency(timestamps: Timestamps, random: Random) -> Values:
    points = len(timestamps)
    slow = (random.normal(0, 0.5, points), random.random(points) < 0.01, random.exponential(1.0, points))
    return rounded(50 * np.exp(slow[0] + slow[1] * slow[2]), 1)


def _sparse_counts(timestamps: Timestamps, random: Random) -> Values:
    points = len(timestamps)
    return np.where(random.random(points) < 0.08, random.poisson(3, points) + 1, 0).astype(np.float64)


def _nightly_job(timestamps: Timestamps, random: Random) -> Values:
    hour = hour_of(timestamps)
    running = np.where((hour >= 2) & (hour < 2.5), 90, 0)
    return rounded(running + 5 + np.abs(random.normal(0, 1, len(timestamps))), 1)


def _counter_resets(timestamps: Timestamps, random: Random) -> Values:
    place = np.arange(len(timestamps))
    values = np.cumsum(random.poisson(10, len(timestamps))).astype(np.float64)
    return values - values[place // 500 * 500]


def _counter_daily(timestamps: Timestamps, random: Random) -> Values:
    return np.cumsum(random.poisson(400 * working_day(timestamps))).astype(np.float64)


def _cpu(timestamps: Timestamps, random: Random) -> Values:
    points = len(timestamps)
    busy = autoregressive(random, points, 0.9, 5.0) + 25 + 30 * working_day(timestamps)
    return rounded(np.clip(busy, 0, 100), 1)


def _errors(timestamps: Timestamps, random: Random) -> Values:
    return random.poisson(0.3, len(timestamps)).astype(np.float64)


def _queue(timestamps: Timestamps, random: Random) -> Values:
    arrived, values = random.poisson(4.6, len(timestamps)), np.zeros(len(timestamps))
    for place in range(1, len(values)):
        values[place] = max(values[place - 1] + arrived[place] - 5, 0)
    return values


def _disk(timestamps: Timestamps, random: Random) -> Values:
    place = np.arange(len(timestamps))
    return rounded(40 + 0.05 * (place % 288) + np.abs(random.normal(0, 0.05, len(place))), 2)


def _weekly_backup(timestamps: Timestamps, random: Random) -> Values:
    size = np.where(weekday_of(timestamps) == 6, 300, 60) * np.exp(random.normal(0, 0.05, len(timestamps)))
    return rounded(np.where(hour_of(timestamps) == 3, size, 0), 1)


CASES = (
    Case(
        "binary_0_1",
        2_000,
        MINUTE,
        200,
        (
            Anomaly("seven", 60, 1, constant(7)),
            Anomaly("minus one", 80, 1, constant(-1)),
            Anomaly("stuck at 1 for 60", 100, 60, constant(1)),
            Anomaly("one half", 150, 1, constant(0.5)),
            Anomaly(
                "toggling each minute", 110, 30, lambda values, _before: np.where(np.arange(len(values)) % 2, 1.0, 0.0)
            ),
        ),
        _binary,
    ),
    Case(
        "latency_heavy_tail",
        3_000,
        MINUTE,
        300,
        (
            Anomaly("50 times the median", 60, 1, constant(2_500)),
            Anomaly("10 times for 10", 100, 10, times(10)),
            Anomaly("zero", 150, 1, constant(0)),
            Anomaly("negative", 180, 1, constant(-20)),
            Anomaly("three times for 60", 200, 60, times(3)),
        ),
        _latency,
    ),
    Case(
        "sparse_counts",
        3_000,
        HOUR,
        300,
        (
            Anomaly("fifty", 60, 1, constant(50)),
            Anomaly("twenty, three in a row", 90, 3, constant(20)),
            Anomaly("two each hour for 40", 120, 40, constant(2)),
            Anomaly("negative", 180, 1, constant(-1)),
            Anomaly("silence of 200", 100, 200, constant(0)),
        ),
        _sparse_counts,
    ),
    Case(
        "nightly_job_spike",
        21 * 288,
        5 * MINUTE,
        576,
        (
            Anomaly("job missing", 24, 6, constant(5)),
            Anomaly("job at noon", 144, 6, plus(90)),
            Anomaly("job takes six times as long", 30, 30, constant(95)),
            Anomaly("200", 200, 1, constant(200)),
            Anomaly("zero for 24", 300, 24, constant(0)),
        ),
        _nightly_job,
    ),
    Case(
        "counter_resets_500",
        1_500,
        MINUTE,
        200,
        (
            Anomaly("jump by 2,000", 60, 1, plus(2_000)),
            Anomaly("stuck for 30", 90, 30, stuck),
            Anomaly("negative", 120, 1, constant(-500)),
            Anomaly("five times as fast", 140, 15, lambda values, _before: values[0] + 50.0 * np.arange(len(values))),
            Anomaly("back by 300 once", 170, 1, plus(-300)),
        ),
        _counter_resets,
    ),
    Case(
        "counter_daily",
        14 * 288,
        5 * MINUTE,
        288,
        (
            Anomaly("stuck for 2 h", 100, 24, stuck),
            Anomaly("jump by 100,000", 60, 1, plus(100_000)),
            Anomaly("six times as fast", 140, 20, lambda values, _before: values[0] + 2_400.0 * np.arange(len(values))),
            Anomaly("back by 5,000 once", 200, 1, plus(-5_000)),
            Anomaly("negative", 240, 1, constant(-1)),
        ),
        _counter_daily,
    ),
    Case(
        "cpu_percent",
        10 * 288,
        5 * MINUTE,
        576,
        (
            Anomaly("pinned at 100 for 2 h", 60, 24, constant(100)),
            Anomaly("zero for 1 h", 130, 12, constant(0)),
            Anomaly("stuck for 3 h", 300, 36, stuck),
            Anomaly("minus five", 400, 1, constant(-5)),
            Anomaly("180 percent", 500, 1, constant(180)),
        ),
        _cpu,
    ),
    Case(
        "errors_per_minute",
        3_000,
        MINUTE,
        300,
        (
            Anomaly("thirty", 60, 1, constant(30)),
            Anomaly("five each for 10", 90, 10, constant(5)),
            Anomaly("two more each for 40", 140, 40, plus(2)),
            Anomaly("negative", 220, 1, constant(-1)),
            Anomaly("a hundred for 3", 260, 3, constant(100)),
        ),
        _errors,
    ),
    Case(
        "queue_length",
        4_000,
        MINUTE,
        400,
        (
            Anomaly("a thousand", 60, 1, constant(1_000)),
            Anomaly("200 more for 30", 120, 30, plus(200)),
            Anomaly("grows without end", 200, 100, lambda values, _before: values + 5.0 * np.arange(len(values))),
            Anomaly("negative", 350, 1, constant(-3)),
            Anomaly("stuck at 37 for 60", 300, 60, constant(37)),
        ),
        _queue,
    ),
    Case(
        "disk_usage",
        14 * 288,
        5 * MINUTE,
        576,
        (
            Anomaly("ten more for 6", 100, 6, plus(10)),
            Anomaly("fills ten times as fast", 300, 60, lambda values, _before: values + 0.5 * np.arange(len(values))),
            Anomaly("not cleaned up", 288, 60, plus(14.4)),
            Anomaly("zero", 450, 2, constant(0)),
            Anomaly("cleaned up at noon", 420, 100, plus(-5)),
        ),
        _disk,
    ),
    Case(
        "weekly_backup",
        8 * 168,
        HOUR,
        2 * 168,
        (
            Anomaly("no backup on Wednesday", 51, 1, constant(0)),
            Anomaly("no backup on Sunday", 147, 1, constant(0)),
            Anomaly("backup at noon", 60, 1, constant(60)),
            Anomaly("a tenth of the size", 75, 1, constant(6)),
            Anomaly("goes on for 5 h", 196, 5, constant(60)),
        ),
        _weekly_backup,
    ),
)
