"""Kinds of series that people have: what `auto` calls normal next, and what it does not."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest

from shared.domain.detectors import learn, named
from shared.domain.detectors.contract import Fitted
from shared.domain.series import Series, Timestamps, Values

MONDAY, HOUR_S, DAY_S = 1_704_067_200, 3_600, 86_400  # 2024-01-01
RANDOM = np.random.default_rng(4)
NOISE = RANDOM.normal(size=4_000)
PLACES = np.arange(4_000)


@dataclass(frozen=True)
class Kind:
    history: Values
    normal: list[float]  # each as the next point
    anomalies: list[float]
    interval_s: int = 60
    timestamps: Timestamps | None = field(default=None, repr=False)

    @property
    def times(self) -> Timestamps:
        """Times of the history and of the next point."""
        if self.timestamps is not None:
            return self.timestamps
        return MONDAY + self.interval_s * np.arange(len(self.history) + 1)


def months(count: int) -> Timestamps:
    return np.array(
        [int(datetime(2020 + place // 12, 1 + place % 12, 1, tzinfo=UTC).timestamp()) for place in range(count)]
    )


def working_hours(days: int) -> Values:
    hours = np.arange(24 * days)
    return np.where((hours % 24 >= 8) & (hours % 24 < 18) & (hours // 24 % 7 < 5), 100.0, 20.0) + 3 * NOISE[: 24 * days]


COUNTER = np.cumsum(10 + RANDOM.integers(0, 4, 1_000)).astype(np.float64)
EVENTS = np.where(PLACES % 60 == 0, 500.0, 5.0) + NOISE  # a job every hour
INCIDENT = np.where((PLACES > 699) & (PLACES < 780), 400.0, 100.0)
WAVE = 40 + 10 * np.sin(PLACES / 8)
KINDS = {
    "counter": Kind(COUNTER, [COUNTER[-1] + 11, 3.0], [COUNTER[-1] + 500, COUNTER[-1] - 400]),
    "counter with resets": Kind(10.0 * (PLACES[:1_600] % 500) + np.round(NOISE[:1_600]), [1_000.0], [3_000.0]),
    "step": Kind(np.where(PLACES[:2_000] < 1_000, 10.0, 20.0) + NOISE[:2_000], [20.0], [10.0, 30.0, 0.0]),
    "incident": Kind(INCIDENT[:1_000] + NOISE[:1_000], [100.0], [500.0, -100.0]),
    "flat, then alive": Kind(np.where(PLACES[:300] < 150, 0.0, WAVE[:300] + NOISE[:300]), [36.0], [200.0]),
    "missing event": Kind(EVENTS[:1_800], [500.0], [5.0]),
    "switch": Kind(np.where(PLACES[:1_000] % 37 < 5, 1.0, 0.0), [1.0], [0.5, 7.0]),
    "sparse": Kind(np.where(PLACES[:2_000] % 173 == 0, 6.0, 0.0), [0.0], [50.0, -3.0]),
    "counts": Kind(RANDOM.poisson(3, 1_500).astype(np.float64), [0.0, 3.0, 6.0], [25.0, -1.0]),
    "quantized": Kind(np.round(21 + NOISE[:1_000], 0) / 2, [10.5, 11.0], [20.0, 2.0]),
    "bounded": Kind(np.minimum(99.5 + 0.2 * NOISE[:1_500], 100.0), [99.4, 100.0], [90.0, 104.0]),
    "skewed": Kind(np.exp(3 + 0.5 * NOISE[:1_500]), [20.0, 50.0], [2_000.0, 0.01]),
    "trend": Kind(PLACES[:1_500] / 10 + NOISE[:1_500], [150.0], [100.0, 200.0]),
    "twelve points": Kind(10 + NOISE[:12], [10.0], [50.0, -30.0]),
    "sixty points": Kind(10 + NOISE[:60], [10.0], [50.0, -30.0]),
    "weekly": Kind(working_hours(42), [20.0], [100.0], interval_s=HOUR_S),  # a Monday at midnight
    "36 months": Kind(
        np.where(PLACES[:36] % 12 == 11, 2_000.0, 1_000.0) * (1 + 0.03 * NOISE[:36]), [1_000.0], [2_000.0, 300.0],
        timestamps=months(37),
    ),
    "a year of days": Kind(20 + 12 * np.sin(PLACES[:365] / 58) + NOISE[:365], [20.0], [45.0, -5.0], interval_s=DAY_S),
}  # fmt: skip


def fitted(kind: Kind) -> Fitted:
    series = Series(kind.times[: len(kind.history)], kind.history)
    return learn(named("auto"), series, {}, lambda _share: None)


@pytest.mark.parametrize("name", KINDS)
def test_the_next_value_is_an_anomaly_if_it_is_unlike_its_kind(name: str) -> None:
    kind = KINDS[name]
    state = fitted(kind)
    for value, is_anomaly in [*((value, False) for value in kind.normal), *((value, True) for value in kind.anomalies)]:
        score = state.score(np.array([value]), kind.times[-1:], kind.history).score[0]
        assert (score > 1) == is_anomaly, (value, float(score))
        assert score <= 100


def test_a_year_of_days_shows_no_yearly_rhythm_and_36_months_do() -> None:
    assert "cycle" not in fitted(KINDS["a year of days"]).learnt()
    assert fitted(KINDS["36 months"]).learnt()["cycle"] == "year"


@pytest.mark.parametrize("detector", ["seasonal", "auto"])
def test_excluded_holidays_do_not_hide_a_silent_working_day(detector: str) -> None:
    values, times = working_hours(70), MONDAY + HOUR_S * np.arange(24 * 70)
    holidays = (3, 24, 45)  # Thursdays and a Friday
    for day in holidays:
        values[24 * day : 24 * day + 24] = 20 + 3 * NOISE[:24]
    history = 24 * 56
    exclude = [[MONDAY + DAY_S * day, MONDAY + DAY_S * (day + 1) - 1] for day in holidays]
    known = Series(times[:history], values[:history])
    state = learn(named(detector), known, {"exclude": exclude}, lambda _share: None)
    silent = values[history:].copy()
    silent[24:48] = 20 + 3 * NOISE[:24]  # a Tuesday
    normal = state.score(values[history:], times[history:], values[:history]).score
    assert (normal > 1).mean() < 0.01
    assert (state.score(silent, times[history:], values[:history]).score[32:42] > 1).any()
