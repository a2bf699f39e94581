"""What sensors measure."""

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
)
from shared.domain.series import Timestamps, Values


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
