"""Slots of schedules: one for each period or local day, whatever the clocks do."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from shared.domain.series import DAY_S
from shared.domain.watching.schedules import SPREAD_S, Schedule

HOUR = 3_600
YEAR_S = 366 * DAY_S
START = 1_700_000_000


@pytest.mark.parametrize("every_s", [600, HOUR, DAY_S, 7 * DAY_S])
def test_each_period_has_one_slot_whose_place_depends_on_the_id(every_s: int) -> None:
    schedule = Schedule(every_s)
    slots = {name: schedule.slot_after(name, START) for name in map(str, range(300))}
    assert min(slots.values()) < START + 0.1 * every_s
    assert max(slots.values()) > START + 0.9 * every_s
    for name, slot in slots.items():
        assert START < slot <= START + every_s
        assert schedule.slot_after(name, slot) == slot + every_s
        assert [schedule.slot_before(name, at) for at in (slot - 1, slot, slot + every_s - 1)] == [
            slot - every_s, slot, slot,
        ]  # fmt: skip
        assert schedule.delay_s(name) == 0


@pytest.mark.parametrize(
    "zone",
    [
        "UTC",
        "Europe/Berlin",
        "America/Sao_Paulo",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "America/Havana",
        "Asia/Tehran",
    ],
)
@pytest.mark.parametrize("at_s", [0, HOUR // 2, 2 * HOUR + HOUR // 2, DAY_S - 60])
@pytest.mark.parametrize("days", [1, 7])
def test_each_local_day_has_one_slot_even_when_clocks_change(zone: str, at_s: int, days: int) -> None:
    schedule = Schedule(days * DAY_S, at_s, zone)
    slot = schedule.slot_after("s", datetime(2017, 12, 25, tzinfo=ZoneInfo(zone)).timestamp())
    dates = []
    for _ in range(370 // days):
        dates.append(datetime.fromtimestamp(slot, ZoneInfo(zone)).date())
        later = schedule.slot_after("s", slot)
        assert schedule.slot_before("s", slot - 1) < slot < later
        assert schedule.slot_before("s", later - 1) == slot
        slot = later
    assert {(after - before).days for before, after in pairwise(dates)} == {days}
    assert 0 <= schedule.delay_s("s") < SPREAD_S


def test_a_time_that_clocks_skip_is_later_and_one_that_comes_twice_is_the_first() -> None:
    berlin = Schedule(DAY_S, 2 * HOUR + HOUR // 2, "Europe/Berlin")
    spring = berlin.slot_after("s", datetime(2025, 3, 29, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp())
    autumn = berlin.slot_after("s", datetime(2025, 10, 25, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp())
    assert datetime.fromtimestamp(spring, ZoneInfo("UTC")).isoformat() == "2025-03-30T01:30:00+00:00"
    assert datetime.fromtimestamp(autumn, ZoneInfo("UTC")).isoformat() == "2025-10-26T00:30:00+00:00"


@pytest.mark.parametrize(
    ("every_s", "expected"),
    [(HOUR, [0, 0, HOUR, 2 * HOUR, 23 * HOUR]), (DAY_S, [0, 0, 0, 0, 0]), (7 * DAY_S, [0, 0, 0, 0, 0])],
)
def test_fits_that_keep_failing_become_rarer_up_to_one_a_day(every_s: int, expected: list[int]) -> None:
    assert [Schedule(every_s).pause_s(failures) for failures in (0, 2, 3, 4, 1_000)] == expected
