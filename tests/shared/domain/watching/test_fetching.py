"""Windows in which a query is fetched."""

from collections.abc import Callable

import pytest

from shared.domain.watching.fetching import FIRST_POINTS, windows

STEP_S = 60
POINTS = 50_000


@pytest.mark.parametrize(
    ("answered", "lengths"),
    [
        (lambda _: 1, [FIRST_POINTS, 10_000]),
        (lambda _: 0, [FIRST_POINTS, 10_000]),
        (lambda _: 1_000, [FIRST_POINTS, 200, 200]),
        (lambda _: 10**6, [FIRST_POINTS, 1, 1]),
        (lambda points: 1 if points <= 30 else None, [100, 50, 25, 25, 25]),
        (lambda points: 1 if points <= 2_000 else None, [100, 10_000, 5_000, 2_500, 1_250, 1_250]),
        (lambda points: 40 if points <= 3_000 else None, [100, 5_000, 2_500, 2_500]),
    ],
)
def test_windows_have_as_many_points_as_can_be_answered_and_leave_no_gap(
    answered: Callable[[int], int | None], lengths: list[int]
) -> None:
    spans = windows(STEP_S, STEP_S * POINTS, STEP_S)
    asked, loaded = [], 0
    start, last = next(spans)
    try:
        while True:
            assert start == loaded + STEP_S
            asked.append((last - start) // STEP_S + 1)
            series = answered(asked[-1])
            loaded = loaded if series is None else last
            start, last = spans.send(series)
    except StopIteration:
        assert loaded == STEP_S * POINTS
    assert asked[: len(lengths)] == lengths
