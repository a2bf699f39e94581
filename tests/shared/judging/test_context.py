"""Context of a point: last training values, missed intervals, recent values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.detectors.contract import Need, max_missing
from shared.judging.context import Context, carried_forward, context_of, lost, too_few_before

LAST, MINUTE = 6_000, 60
NEED = Need(points=20, tail=np.arange(100.0, 120.0), last_timestamp=LAST, interval_s=float(MINUTE))


def context(timestamp: int, *values: float) -> Context:
    return context_of(NEED, timestamp, np.array(values))


def values_of(context: Context) -> list[float | None]:
    """Return the values, with None for missing ones."""
    return [None if missing else value for value, missing in zip(context.values.tolist(), context.missing, strict=True)]


def test_right_after_training_the_training_values_are_enough() -> None:
    assert values_of(context(LAST + MINUTE)) == NEED.tail.tolist()
    assert values_of(context(LAST + MINUTE // 3)) == NEED.tail.tolist()
    assert values_of(context(LAST + 3 * MINUTE // 2)) == NEED.tail.tolist()


def test_missed_intervals_come_after_the_training_values() -> None:
    assert values_of(context(LAST + 3 * MINUTE)) == [*NEED.tail.tolist()[2:], None, None]
    assert context(LAST + 3 * MINUTE).values[-2:].tolist() == [119.0, 119.0]


def test_recent_values_come_last() -> None:
    assert values_of(context(LAST + 3 * MINUTE, 1.0, 2.0)) == [*NEED.tail.tolist()[2:], 1.0, 2.0]
    assert values_of(context(LAST + 5 * MINUTE, 1.0, 2.0)) == [*NEED.tail.tolist()[4:], None, None, 1.0, 2.0]


def test_training_values_repeated_in_the_request_count_once() -> None:
    repeated = NEED.tail.tolist()[-3:]
    assert values_of(context(LAST + MINUTE, *repeated)) == NEED.tail.tolist()[:-3] + repeated


def test_too_many_missed_intervals_leave_only_the_recent_values() -> None:
    assert max_missing(NEED.points) == 2
    assert values_of(context(LAST + 4 * MINUTE)) == []
    assert values_of(context(LAST + 7 * MINUTE, 1.0, 2.0, 3.0)) == [1.0, 2.0, 3.0]
    nearly_enough = np.arange(19.0)
    assert values_of(context(LAST + 1_000 * MINUTE, *nearly_enough)) == nearly_enough.tolist()


def test_enough_recent_values_need_no_training_values() -> None:
    values = np.arange(25.0)
    assert context_of(NEED, LAST + MINUTE, values).values is values
    assert context_of(NEED, LAST + 10_000 * MINUTE, values).values is values


def test_missing_recent_values_repeat_the_known_value_before_them() -> None:
    nan = float("nan")
    assert values_of(context(LAST + 4 * MINUTE, nan, 1.0, nan)) == [*NEED.tail.tolist()[3:], None, 1.0, None]
    assert context(LAST + 4 * MINUTE, nan, 1.0, nan).values[-3:].tolist() == [119.0, 1.0, 1.0]
    far = LAST + 1_000 * MINUTE
    assert context(far, nan, 2.0).values.tolist() == [2.0, 2.0]
    assert context(far, nan, nan).values.tolist() == [0.0, 0.0]


def test_a_point_at_the_end_of_the_training_data_has_the_training_values_before_it() -> None:
    tail = NEED.tail.tolist()
    assert values_of(context(LAST)) == [None, *tail[:-1]]
    assert values_of(context(LAST - MINUTE)) == [None, None, *tail[:-2]]
    assert values_of(context(LAST, 1.0)) == [None, *tail[:-2], 1.0]
    assert context(LAST - MINUTE).values[:2].tolist() == tail[:1] * 2


def test_a_point_far_inside_the_training_data_has_only_recent_values() -> None:
    assert values_of(context(LAST - 2 * MINUTE, 1.0)) == [1.0]
    assert values_of(context(LAST - 30 * MINUTE)) == []


def test_one_missed_interval_is_tolerated_however_few_points_are_needed() -> None:
    need = Need(points=2, tail=np.array([1.0, 2.0]), last_timestamp=LAST, interval_s=float(MINUTE))
    assert values_of(context_of(need, LAST + 2 * MINUTE)) == [2.0, None]


@given(
    points=st.integers(0, 30),
    tail=st.integers(1, 30),
    distance=st.integers(-500, 5_000),
    count=st.integers(0, 40),
)
def test_a_context_is_never_too_long_and_ends_with_the_recent_values(
    points: int, tail: int, distance: int, count: int
) -> None:
    need = Need(points, np.arange(min(tail, max(points, 1)), dtype=float), LAST, float(MINUTE))
    values = np.arange(1_000.0, 1_000.0 + count)
    padded = context_of(need, LAST + distance, values)
    assert len(padded.values) <= max(points, count)
    assert padded.values[len(padded.values) - count :].tolist() == values.tolist()
    assert padded.missing.sum() == padded.missed + padded.forgotten <= max_missing(points)


@pytest.mark.parametrize(
    ("before", "expected"), [([], [5.0, 5.0, 5.0, 6.0, 6.0]), ([4.0, 3.0], [3.0, 3.0, 5.0, 6.0, 6.0])]
)
def test_the_last_known_value_replaces_a_missing_one(before: list[float], expected: list[float]) -> None:
    missing = np.array([True, True, False, False, True])
    values = np.array([0.0, 0.0, 5.0, 6.0, 0.0])
    assert carried_forward(np.array(before), values, missing).tolist() == expected


def test_missing_values_before_the_first_point_count_like_those_between_points() -> None:
    missing = np.zeros(6, dtype=bool)
    missing[2] = True
    joined = too_few_before(np.zeros(0, bool), np.concatenate((np.zeros(20, bool), missing)), 20)[20:]
    assert joined.tolist() == too_few_before(np.zeros(20, bool), missing, 20).tolist()
    after_gap = too_few_before(np.array([False] * 18 + [True] * 2), missing, 20)
    assert after_gap.tolist() == [False, False, False, True, True, True]


@pytest.mark.parametrize(
    ("before", "missing", "expected"),
    [
        ("", "..xx..xx.", []),
        ("", "..xxxx.x.", [4, 5]),
        ("x.xx", "xx..x", [4, 5]),
        ("xxx.", "....", [2]),
        ("", "xxxxx", [2, 3, 4]),
    ],
)
def test_missing_values_after_more_than_can_be_bridged_are_lost(before: str, missing: str, expected: list[int]) -> None:
    flags = [np.array([letter == "x" for letter in text], dtype=np.bool_) for text in (before, missing)]
    assert np.flatnonzero(lost(flags[0], flags[1], NEED.points)).tolist() == expected
