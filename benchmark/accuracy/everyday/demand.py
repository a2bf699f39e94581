"""What people ask for: requests, sales, orders, revenue."""

import numpy as np

from benchmark.accuracy.everyday.case import (
    DAY,
    HOUR,
    MINUTE,
    START,
    Anomaly,
    Case,
    Random,
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

MONTH = 2_629_746


def _web_hourly_weekend(timestamps: Timestamps, random: Random) -> Values:
    weekend = np.where(weekday_of(timestamps) >= 5, 0.6, 1)
    return rounded(1200 * working_day(timestamps) * weekend * np.exp(random.normal(0, 0.06, len(timestamps))))


def _dst_shift_in_future(timestamps: Timestamps, random: Random) -> Values:
    local = timestamps + np.where(np.arange(len(timestamps)) >= 6 * 168, HOUR, 0)
    return rounded(1200 * working_day(local) * np.exp(random.normal(0, 0.05, len(timestamps))))


def _daily_sales_holidays(timestamps: Timestamps, random: Random) -> Values:
    week = np.array([0.9, 0.85, 0.9, 1, 1.3, 1.6, 0.6])[weekday_of(timestamps)]
    day = (timestamps - START) // DAY % 365
    closed = np.where(np.isin(day, [84, 85, 119, 355, 356, 357, 358, 359]), 0.1, 1)
    sale = np.where(day % 365 == 320, 3, 1)
    year = 1 + 0.15 * np.sin(2 * np.pi * day / 365)
    return rounded(400 * week * closed * sale * year * np.exp(random.normal(0, 0.1, len(timestamps))))


def _trend_plus_season(timestamps: Timestamps, random: Random) -> Values:
    trend = 100 + 3 * ((timestamps - START) / DAY)
    return trend * (1 + 0.3 * np.sin(2 * np.pi * hour_of(timestamps) / 24)) + random.normal(0, 5, len(timestamps))


def _orders_closed_on_weekends(timestamps: Timestamps, random: Random) -> Values:
    return np.where(weekday_of(timestamps) >= 5, 0, random.poisson(80, len(timestamps))).astype(np.float64)


def _monthly_revenue(timestamps: Timestamps, random: Random) -> Values:
    place = np.arange(len(timestamps))
    year = np.array([0.8, 0.8, 0.95, 1, 1, 1, 0.9, 0.85, 1, 1.05, 1.3, 1.7])[place % 12]
    return rounded(50_000 * 1.01**place * year * np.exp(random.normal(0, 0.04, len(place))))


def _signups_weekly(timestamps: Timestamps, random: Random) -> Values:
    return random.poisson(240, len(timestamps)).astype(np.float64)


def _orders_growing(timestamps: Timestamps, random: Random) -> Values:
    growth = np.exp(0.02 * (timestamps - START) / DAY)
    return rounded(40 * growth * working_day(timestamps) * np.exp(random.normal(0, 0.12, len(timestamps))))


def _success_rate(timestamps: Timestamps, random: Random) -> Values:
    return rounded(100 - 100 * random.binomial(2_000, 0.004, len(timestamps)) / 2_000, 2)


CASES = (
    Case(
        "web_hourly_weekend",
        6 * 168,
        HOUR,
        168,
        (
            Anomaly("nothing at noon on Tuesday", 36, 3, constant(0)),
            Anomaly("three times at noon on Wednesday", 60, 1, times(3)),
            Anomaly("the night as busy as noon", 27, 2, constant(1000)),
            Anomaly("half for 6 h", 105, 6, times(0.5)),
            Anomaly("stuck for 8 h", 110, 8, stuck),
        ),
        _web_hourly_weekend,
    ),
    Case(
        "dst_shift_in_future",
        6 * 168,
        HOUR,
        168,
        (
            Anomaly("nothing at noon", 36, 3, constant(0)),
            Anomaly("three times at noon", 60, 1, times(3)),
            Anomaly("the night as busy as the day", 26, 2, constant(1000)),
            Anomaly("40 % for 6 h", 105, 6, times(0.4)),
            Anomaly("stuck for 10 h", 110, 10, stuck),
        ),
        _dst_shift_in_future,
    ),
    Case(
        "daily_sales_holidays",
        730,
        DAY,
        28,
        (
            Anomaly("nothing on Saturday", 12, 1, constant(0)),
            Anomaly("four times", 9, 1, times(4)),
            Anomaly("a third for 3 days", 14, 3, times(0.33)),
            Anomaly("negative", 20, 1, constant(-200)),
            Anomaly("2.5 times on Monday", 21, 1, times(2.5)),
        ),
        _daily_sales_holidays,
    ),
    Case(
        "trend_plus_season",
        60 * 24,
        HOUR,
        72,
        (
            Anomaly("zero", 12, 2, constant(0)),
            Anomaly("twice", 20, 1, times(2)),
            Anomaly("the level of 40 days ago", 30, 6, times(0.55)),
            Anomaly("1.6 times for 5 h", 50, 5, times(1.6)),
            Anomaly("stuck for 8 h", 40, 8, stuck),
        ),
        _trend_plus_season,
    ),
    Case(
        "orders_closed_on_weekends",
        200,
        DAY,
        28,
        (
            Anomaly("orders on Sunday", 9, 1, constant(80)),  # the future begins on a Friday
            Anomaly("none on Tuesday", 4, 1, constant(0)),
            Anomaly("four times", 17, 1, times(4)),
            Anomaly("negative", 6, 1, constant(-40)),
            Anomaly("a third for 4 days", 17, 4, times(0.33)),
        ),
        _orders_closed_on_weekends,
    ),
    Case(
        "monthly_revenue",
        36,
        MONTH,
        12,
        (
            Anomaly("nothing", 2, 1, constant(0)),
            Anomaly("three times", 4, 1, times(3)),
            Anomaly("a third", 6, 1, times(0.33)),
            Anomaly("negative", 8, 1, constant(-20_000)),
            Anomaly("December as poor as July", 11, 1, times(0.45)),
        ),
        _monthly_revenue,
    ),
    Case(
        "signups_weekly",
        30,
        7 * DAY,
        10,
        (
            Anomaly("none", 1, 1, constant(0)),
            Anomaly("twice", 3, 1, times(2)),
            Anomaly("half", 5, 1, times(0.5)),
            Anomaly("ten times", 7, 1, times(10)),
            Anomaly("1.6 times for 3 weeks", 6, 3, times(1.6)),
        ),
        _signups_weekly,
    ),
    Case(
        "orders_growing",
        40 * 24,
        HOUR,
        72,
        (
            Anomaly("none for 3 h", 12, 3, constant(0)),
            Anomaly("three times", 20, 1, times(3)),
            Anomaly("a third for 6 h", 32, 6, times(0.33)),
            Anomaly("the night as busy as the day", 50, 2, constant(90)),
            Anomaly("negative", 60, 1, constant(-5)),
        ),
        _orders_growing,
    ),
    Case(
        "success_rate",
        2_000,
        5 * MINUTE,
        300,
        (
            Anomaly("90 % once", 60, 1, constant(90)),
            Anomaly("98 % for 10", 90, 10, plus(-1.6)),
            Anomaly("zero", 150, 2, constant(0)),
            Anomaly("above 100 %", 180, 1, constant(104)),
            Anomaly("always 100 %", 200, 60, constant(100)),
        ),
        _success_rate,
    ),
)
