from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.charts import ticks
from shared.domain.series import LAST_TIMESTAMP

MOMENTS = st.integers(0, LAST_TIMESTAMP)


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (-0.3, 10.4, ["0", "2", "4", "6", "8", "10"]),
        (0.11, 0.19, ["0.12", "0.14", "0.16", "0.18"]),
        (1e9, 1e9 + 0.4, [f"1,000,000,000{tenths}" for tenths in ("", ".1", ".2", ".3", ".4")]),
        (-4000, 8000, ["-4,000", "-2,000", "0", "2,000", "4,000", "6,000", "8,000"]),
    ],
)
def test_value_ticks_are_distinct_round_numbers(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in ticks.numbers(low, high, 6)] == labels


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_any_range_of_values_has_a_few_ticks_inside(first: float, second: float) -> None:
    low, high = sorted((first, second))
    marks = ticks.numbers(low, high, 5)
    slack = high / 1e9 - low / 1e9
    assert 1 <= len(marks) <= 11
    assert all(low - slack <= value <= high + slack for value, _ in marks)


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        (at(2024, 1, 1), at(2024, 1, 1, 0, 0, 4), ["1 Jan", "00:00:01", "00:00:02", "00:00:03", "00:00:04"]),
        (at(2024, 1, 1, 20), at(2024, 1, 2, 4), ["20:00", "22:00", "2 Jan", "02:00", "04:00"]),
        (at(2023, 12, 30), at(2024, 1, 4), ["30 Dec", "31 Dec", "1 Jan 2024", "2 Jan", "3 Jan", "4 Jan"]),
        (at(2024, 5, 1), at(2024, 6, 5), ["6 May", "13 May", "20 May", "27 May", "3 Jun"]),
        (at(2024, 1, 2), at(2024, 8, 2), ["Mar 2024", "May 2024", "Jul 2024"]),
        (at(1999, 6, 1), at(2009, 6, 1), ["2000", "2002", "2004", "2006", "2008"]),
        (0, LAST_TIMESTAMP, ["2000", "4000", "6000", "8000"]),
    ],
)
def test_time_ticks_are_at_natural_boundaries(first: int, last: int, labels: list[str]) -> None:
    assert [label for _, label in ticks.times(first, last, 5)] == labels


@given(MOMENTS, MOMENTS, st.integers(1, 40))
def test_time_ticks_are_ordered_in_range_and_few(start: int, end: int, max_ticks: int) -> None:
    first, last = sorted((start, end))
    moments = [moment for moment, _ in ticks.times(first, last, max_ticks)]
    assert moments == sorted(set(moments))
    assert all(first <= moment <= last for moment in moments)
    assert len(moments) <= max_ticks + 2
