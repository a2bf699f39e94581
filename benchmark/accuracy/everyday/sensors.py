"""What sensors measure, and histories that are short, broken or have changed."""

import numpy as np

from benchmark.accuracy.everyday.case import (
    DAY,
    HOUR,
    MINUTE,
    Anomaly,
    Case,
    Random,
    autoregressive,
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


def _outdoor(timestamps: Timestamps, random: Random) -> Values:
    weather = autoregressive(random, len(timestamps), 0.995, 0.2)
    day = 5 * np.sin(2 * np.pi * (hour_of(timestamps) - 9) / 24)
    return rounded(12 + weather + day + random.normal(0, 0.1, len(timestamps)), 1)


def _thermostat(timestamps: Timestamps, random: Random) -> Values:
    values, heating = np.empty(len(timestamps)), True
    temperature = 20.0
    for place in range(len(values)):
        heating = temperature < 19.5 or (heating and temperature < 21.5)
        temperature += (0.25 if heating else -0.15) + float(random.normal(0, 0.05))
        values[place] = round(2 * temperature) / 2
    return values


def _household(timestamps: Timestamps, random: Random) -> Values:
    hour = hour_of(timestamps)
    usual = 0.3 + 1.2 * np.exp(-(((hour - 7.5) / 1.5) ** 2)) + 2.0 * np.exp(-(((hour - 19.5) / 2.5) ** 2))
    return rounded(usual * np.exp(random.normal(0, 0.25, len(timestamps))), 2)


def _price(timestamps: Timestamps, random: Random) -> Values:
    return rounded(80 * np.exp(np.cumsum(random.normal(0, 0.002, len(timestamps)))), 2)


def _battery(timestamps: Timestamps, random: Random) -> Values:
    hour = hour_of(timestamps)
    charge = np.where(hour < 6, 70 + 5 * hour, 100 - 30 * (hour - 6) / 18)
    return rounded(3.2 + 0.01 * charge + random.normal(0, 0.004, len(timestamps)), 3)


def _gappy(timestamps: Timestamps, random: Random) -> Values:
    return 20 + 6 * np.sin(2 * np.pi * hour_of(timestamps) / 24) + random.normal(0, 0.4, len(timestamps))


def _irregular(timestamps: Timestamps, random: Random) -> Values:
    return rounded(200 * working_day(timestamps) * np.exp(random.normal(0, 0.08, len(timestamps))))


def _vibration(timestamps: Timestamps, random: Random) -> Values:
    place = np.arange(len(timestamps))
    wave: Values = np.sin(2 * np.pi * place / 7.3) + 0.4 * np.sin(2 * np.pi * place / 3.1)
    return wave + random.normal(0, 0.1, len(place))


def _batches(timestamps: Timestamps, random: Random) -> Values:
    parts: list[Values] = []
    while sum(map(len, parts)) < len(timestamps):
        rise, hold = int(random.integers(18, 23)), int(random.integers(38, 43))
        parts += [np.linspace(20, 90, rise), np.full(hold, 90.0), np.linspace(90, 20, 15), np.full(20, 20.0)]
    values: Values = np.concatenate(parts)[: len(timestamps)]
    return values + random.normal(0, 0.5, len(timestamps))


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
        "outdoor_temperature",
        20 * 144,
        10 * MINUTE,
        288,
        (
            Anomaly("plus 15", 60, 1, plus(15)),
            Anomaly("stuck for 10 h", 100, 60, stuck),
            Anomaly("minus 30", 180, 3, plus(-30)),
            Anomaly("85 degrees, a broken sensor", 220, 5, constant(85)),
            Anomaly(
                "noise of 3 degrees", 240, 30, lambda values, _before: values + 3 * np.cos(2.5 * np.arange(len(values)))
            ),
        ),
        _outdoor,
    ),
    Case(
        "room_thermostat",
        3_000,
        MINUTE,
        300,
        (
            Anomaly("30 degrees", 60, 1, constant(30)),
            Anomaly("stuck for 90", 100, 90, stuck),
            Anomaly("heating fails", 60, 60, lambda values, before: before[-1] - 0.15 * np.arange(len(values))),
            Anomaly("minus 40", 220, 2, constant(-40)),
            Anomaly("jumps of 3 degrees", 240, 20, lambda values, _before: values + 3.0 * (np.arange(len(values)) % 2)),
        ),
        _thermostat,
    ),
    Case(
        "household_power",
        35 * 48,
        HOUR // 2,
        96,
        (
            Anomaly("nothing all evening", 36, 6, constant(0)),
            Anomaly("five times in the evening", 39, 1, times(5)),
            Anomaly("the night like the evening", 52, 4, constant(2.5)),
            Anomaly("negative", 60, 1, constant(-1)),
            Anomaly("stuck for 8 h", 70, 16, stuck),
        ),
        _household,
    ),
    Case(
        "price",
        3_000,
        5 * MINUTE,
        300,
        (
            Anomaly("a tenth, a slipped decimal", 60, 1, times(0.1)),
            Anomaly("8 % more once", 100, 1, times(1.08)),
            Anomaly("stuck for 40", 140, 40, stuck),
            Anomaly("zero", 200, 1, constant(0)),
            Anomaly("crash by 10 % and back", 230, 12, times(0.9)),
        ),
        _price,
    ),
    Case(
        "battery_voltage",
        14 * 144,
        10 * MINUTE,
        288,
        (
            Anomaly("dead for 6", 60, 6, constant(0)),
            Anomaly(
                "not charged overnight", 144, 36, lambda values, before: before[-1] - 0.001 * np.arange(len(values))
            ),
            Anomaly("spike", 100, 1, plus(0.5)),
            Anomaly("stuck for 5 h", 220, 30, stuck),
            Anomaly(
                "discharges four times as fast", 60, 24, lambda values, _before: values - 0.01 * np.arange(len(values))
            ),
        ),
        _battery,
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
    Case(
        "vibration",
        3_000,
        1.0,
        300,
        (
            Anomaly("spike", 60, 1, plus(3)),
            Anomaly("twice as loud", 100, 30, times(2)),
            Anomaly("silent for 30", 150, 30, constant(0)),
            Anomaly("twice as fast", 200, 30, lambda values, _before: np.tile(values[::2], 2)[: len(values)]),
            Anomaly("shifted by 1", 250, 20, plus(1)),
        ),
        _vibration,
    ),
    Case(
        "batch_process",
        3_000,
        10.0,
        400,
        (
            Anomaly("spike", 60, 1, plus(40)),
            Anomaly("held for 100 instead of 40", 200, 100, constant(90)),
            Anomaly("ten too cool", 100, 60, plus(-10)),
            Anomaly("cold in between", 200, 20, constant(0)),
            Anomaly("noise of 5", 300, 40, lambda values, _before: values + 5 * np.cos(2.7 * np.arange(len(values)))),
        ),
        _batches,
    ),
)
