"""How pages write shares, durations and sparklines."""

import pytest

from api.pages import writing


@pytest.mark.parametrize(
    ("fraction", "written"),
    [(0.0, "0 %"), (1e-9, "< 0.01 %"), (0.0001, "0.01 %"), (0.0022, "0.22 %"), (0.125, "12 %"), (1.0, "100 %")],
)
def test_a_nonzero_share_is_never_shown_as_zero(fraction: float, written: str) -> None:
    assert writing.share(fraction) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.000_263, "0.263 ms"),
        (0.0624, "62.4 ms"),
        (59.4, "59.4 s"),
        (60, "1 min"),
        (119.7, "2 min"),
        (3_725, "1 h 2 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_duration_is_written_in_its_two_largest_units(seconds: float, written: str) -> None:
    assert writing.duration(seconds) == written


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [-1.7e308, 1.7e308, 0.0], [5e-324, 0.0]])
def test_a_sparkline_of_any_values_stays_in_its_box(values: list[float]) -> None:
    points = [tuple(map(int, point.split(","))) for point in writing.sparkline(values).split()]
    assert len(points) == len(values)
    assert all(0 <= x <= writing.SPARKLINE_WIDTH and 0 <= y <= writing.SPARKLINE_HEIGHT for x, y in points)
