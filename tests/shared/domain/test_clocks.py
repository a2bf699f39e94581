"""Local time, and clock changes that a history shows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from shared.domain.detectors import learn, named
from shared.domain.detectors.clocks import Clock
from shared.domain.series import DAY_S, Series
from shared.domain.timezones import offsets

STEP_S = 900
CHANGES = {  # the first second of the new time; the change is an hour
    "spring": ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC), 3_600),
    "autumn": ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC), -3_600),
    "southern spring": ("Australia/Sydney", datetime(2026, 10, 3, 16, tzinfo=UTC), 3_600),
}


def opening_hours(zone: str, change: datetime, days_before: int, days_after: int) -> Series:
    """A shop that opens at eight and closes at six, local time."""
    first = int((change - timedelta(days=days_before)).timestamp())
    timestamps = first + STEP_S * np.arange((days_before + days_after) * DAY_S // STEP_S)
    hours = np.array([datetime.fromtimestamp(timestamp, ZoneInfo(zone)).hour for timestamp in timestamps.tolist()])
    noise = np.random.default_rng(3).normal(0, 2, len(timestamps))
    return Series(timestamps, np.where((hours >= 8) & (hours < 18), 80.0, 20.0) + noise)


def alarms(detector: str, series: Series, history: int, points: int, **parameters: str) -> int:
    """Count the anomalies among the points after the history."""
    known = Series(series.timestamps[:history], series.values[:history])
    fitted = learn(named(detector), known, parameters, lambda _share: None)
    after = slice(history, history + points)
    return int((fitted.score(series.values[after], series.timestamps[after], known.values).score > 1).sum())


@pytest.mark.parametrize("season", CHANGES)
def test_the_offset_changes_at_the_second_at_which_clocks_change(season: str) -> None:
    zone, change, shift_s = CHANGES[season]
    instant = int(change.timestamp())
    before, after = offsets(np.array([instant - 1, instant]), zone).tolist()
    assert after - before == shift_s
    many = np.arange(instant - 40 * DAY_S, instant + 40 * DAY_S, 777)
    assert offsets(many, zone).tolist() == [
        datetime.fromtimestamp(timestamp, ZoneInfo(zone)).utcoffset() // timedelta(seconds=1)  # type: ignore[operator]
        for timestamp in many.tolist()
    ]


@pytest.mark.parametrize("detector", ["seasonal", "auto"])
@pytest.mark.parametrize("season", CHANGES)
def test_a_time_zone_keeps_the_week_after_a_clock_change_quiet(season: str, detector: str) -> None:
    zone, change, _ = CHANGES[season]
    series, before = opening_hours(zone, change, 42, 7), 42 * DAY_S // STEP_S
    assert alarms(detector, series, before, len(series) - before, timezone=zone) <= 6
    if detector == "seasonal":
        assert alarms(detector, series, before, len(series) - before) >= 7 * 8


@pytest.mark.parametrize("season", CHANGES)
def test_a_refit_after_a_clock_change_follows_the_new_time_without_a_time_zone(season: str) -> None:
    zone, change, shift_s = CHANGES[season]
    series, history = opening_hours(zone, change, 56, 14), 63 * DAY_S // STEP_S
    assert alarms("seasonal", series, history, 7 * DAY_S // STEP_S) <= 3
    clock = Clock.of(series.timestamps, series.values, "UTC")
    assert abs(clock.changes - change.timestamp()).max() < DAY_S
    assert clock.shifts_s.tolist() == [-shift_s, 0]
    assert "timezone" in clock.found


def test_each_clock_change_of_two_years_is_found() -> None:
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    series = opening_hours("Europe/Berlin", change, 400, 300)
    clock = Clock.of(series.timestamps, series.values, "UTC")
    months = [datetime.fromtimestamp(moment, UTC).strftime("%Y-%m") for moment in clock.changes.tolist()]
    assert months == ["2025-03", "2025-10", "2026-03", "2026-10"]
    assert Clock.of(series.timestamps, series.values, "Europe/Berlin").found == ""


@pytest.mark.parametrize("kind", ["noise", "random walk", "sunlight", "new opening hours", "one odd day"])
def test_other_changes_of_a_series_are_not_taken_for_clock_changes(kind: str) -> None:
    series = opening_hours("UTC", datetime(2026, 3, 29, tzinfo=UTC), 60, 60)
    random, hours = np.random.default_rng(5), series.timestamps % DAY_S / 3_600
    day = (series.timestamps - series.timestamps[0]) // DAY_S
    values = {
        "noise": random.normal(size=len(series)),
        "random walk": random.normal(size=len(series)).cumsum(),
        "sunlight": np.maximum(np.cos((hours - 12) / (8 + day / 20) * np.pi), 0) + random.normal(0, 0.05, len(series)),
        "new opening hours": np.where((hours >= 8) & (hours < np.where(day < 60, 18, 22)), 80.0, 20.0),
        "one odd day": np.where(day == 50, np.roll(series.values, 4), series.values),
    }
    assert Clock.of(series.timestamps, values[kind], "UTC").found == ""


@pytest.mark.parametrize("last", [0, 253_402_300_799])
def test_the_first_and_the_last_second_that_a_series_may_hold_have_a_local_time(last: int) -> None:
    assert abs(offsets(np.array([last]), "Pacific/Kiritimati")).max() <= 14 * 3_600
    assert abs(offsets(np.array([last] * 100), "Pacific/Kiritimati")).max() <= 14 * 3_600
