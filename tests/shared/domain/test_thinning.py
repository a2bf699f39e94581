import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.thinning import extremes, peaks
from tests import naive

VALUES = st.lists(
    st.integers(-5, 5).map(float), min_size=1, max_size=300
)  # few distinct values, so there are many ties
WIDTHS = st.integers(4, 80)


@given(VALUES, WIDTHS)
def test_extremes_match_the_slow_reference(values: list[float], max_points: int) -> None:
    kept = extremes(np.array(values), max_points).tolist()
    if len(values) <= max_points:
        assert kept == list(range(len(values)))
    else:
        edges = [int(edge) for edge in np.linspace(0, len(values), max_points // 2)]
        assert kept == naive.extremes(values, edges)


@given(VALUES, WIDTHS)
def test_both_ends_are_kept_and_no_more_points_than_allowed(values: list[float], max_points: int) -> None:
    kept = extremes(np.array(values), max_points)
    assert len(kept) <= max_points
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == (0, len(values) - 1)


@given(VALUES, WIDTHS)
def test_the_smallest_and_the_largest_value_are_always_shown(values: list[float], max_points: int) -> None:
    shown = np.array(values)[extremes(np.array(values), max_points)]
    assert (shown.min(), shown.max()) == (min(values), max(values))


@given(st.integers(500, 5000), st.data(), WIDTHS)
def test_a_single_spike_is_kept_at_any_position(points: int, data: st.DataObject, max_points: int) -> None:
    values = np.random.default_rng(points).normal(size=points)
    up, down = (data.draw(st.integers(0, points - 1)) for _ in range(2))
    values[up], values[down] = 50.0, -50.0
    kept = extremes(values, max_points)
    assert down in kept
    assert up in kept or up == down


@pytest.mark.parametrize("points", [99_999, 100_000, 1_000_003])
def test_a_long_series_is_thinned_the_same_way(points: int) -> None:
    values = np.random.default_rng(points).normal(size=points)
    edges = [int(edge) for edge in np.linspace(0, points, 2000)]
    assert extremes(values, 4000).tolist() == naive.extremes(values.tolist(), edges)


@given(VALUES, st.integers(1, 80))
def test_peaks_match_the_slow_reference(values: list[float], max_points: int) -> None:
    kept = peaks(np.array(values), max_points).tolist()
    if len(values) <= max_points:
        assert kept == list(range(len(values)))
    else:
        assert kept == naive.peaks(values, [int(edge) for edge in np.linspace(0, len(values), max_points + 1)])
