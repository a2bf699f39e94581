"""The parts of `auto`; optimized ones are compared with slow references."""

import math

import numpy as np
import pytest

from shared.domain.detectors.msnn.bank import Layout, vectors
from shared.domain.detectors.witnesses.adapting import ALERT_GAP, START, adapted
from shared.domain.detectors.witnesses.bank import AXES, Banks
from shared.domain.detectors.witnesses.calibration import Sides, boundary, student_t, tempered, untempered
from shared.domain.detectors.witnesses.counters import increments, is_counter
from shared.domain.detectors.witnesses.history import incidents, newest_regime
from shared.domain.detectors.witnesses.looking import scores_of
from shared.domain.detectors.witnesses.recent import trailing_mean
from shared.domain.detectors.witnesses.season import fit_season, rolling_median
from shared.domain.detectors.witnesses.stuck import Stuck, run_lengths
from shared.domain.detectors.witnesses.vocabulary import Vocabulary
from shared.domain.series import Values

MONDAY = 1_704_067_200  # 2024-01-01
NOISE = np.random.default_rng(0).normal(size=4_000)


def test_each_side_has_a_boundary_of_its_own() -> None:
    skewed = np.exp(NOISE) - 1
    sides = Sides.of(skewed, 0.02, 1.0)
    assert sides.upper > 3 * sides.lower
    assert (sides.ratios(skewed) > 1).mean() == pytest.approx(0.02, abs=0.01)


def test_an_incident_does_not_raise_the_boundary() -> None:
    distances = np.abs(NOISE)
    clean = boundary(distances, 0.001, 1.0)
    distances[2_000:2_050] = 40.0
    assert boundary(distances, 0.001, 1.0) < 1.2 * clean


def test_peaks_at_regular_distances_are_not_incidents() -> None:
    distances = np.abs(NOISE)
    distances[::400] = 40.0
    assert boundary(distances, 0.001, 1.0) > 3 * boundary(np.abs(NOISE), 0.001, 1.0)


@pytest.mark.parametrize("points", [3, 10, 40, 150])
def test_a_few_residuals_are_not_extrapolated_to_infinity(points: int) -> None:
    value = boundary(np.abs(NOISE[:points]), 0.001, 1.0)
    assert 2.5 < value < max(2 * student_t(0.001, points - 1), 4)


@pytest.mark.parametrize(("degrees", "expected"), [(3, 10.21), (10, 4.144), (30, 3.385), (1e6, 3.090)])
def test_the_quantile_of_students_t_is_close_to_the_tables(degrees: float, expected: float) -> None:
    assert student_t(0.001, degrees) == pytest.approx(expected, rel=0.15 if degrees < 5 else 0.01)


def test_tempered_ratios_keep_their_order_and_their_boundary() -> None:
    ratios = np.array([0.0, 0.5, 0.99, 1.0, 1.01, 2.0, 1e6])
    scores = tempered(ratios)
    assert (np.diff(scores) > 0).all()
    assert ((scores > 1) == (ratios > 1)).all()
    np.testing.assert_allclose(untempered(scores[3:]), ratios[3:])


def test_the_boundary_is_a_fold_over_points() -> None:
    scores = np.exp(NOISE[:500])
    whole, last = adapted(scores, 0.001)
    boundaries, carry = [], START
    for score in scores:
        one, carry = adapted(np.array([score]), 0.001, carry)
        boundaries.append(float(one[0]))
    assert boundaries == whole.tolist()
    assert carry.tolist() == last.tolist()


def test_the_boundary_rises_at_alarms_and_falls_while_it_is_quiet() -> None:
    boundaries, _ = adapted(np.array([3.0, 3.0, 3.0] + [0.0] * 500), 0.001)
    assert boundaries[0] == 1
    assert (np.diff(boundaries[:4]) > 0).all()
    assert (np.diff(boundaries[3:]) <= 0).all()
    assert boundaries[-1] < boundaries[3]


def test_alarms_in_quick_succession_slow_the_fall_of_the_boundary_only_once() -> None:
    single, burst, separate = np.zeros((3, 200))
    single[10], burst[10:14], separate[10:110:40] = 3.0, 3.0, 3.0
    once, again, thrice = (adapted(scores, 0.001)[1][1] for scores in (single, burst, separate))
    assert math.isclose(once, again, rel_tol=0.05)
    assert thrice > 2.5 * once
    assert START[2] == ALERT_GAP


def test_an_unusual_shape_supports_the_alarms_of_other_witnesses_and_nothing_else() -> None:
    ratios = {"level": np.array([3.0, 3.0, 0.5]), "shape": np.array([0.9, 0.0, 0.9])}
    level, plain = scores_of(ratios, 1.0)["level"], scores_of({"level": ratios["level"]}, 1.0)["level"]
    assert level[0] > plain[0] + 0.1
    np.testing.assert_array_equal(level[1:], plain[1:])


LENGTHS = (4, 6, 8, 16, 100)


def banks_of(points: int = 2_000) -> tuple[Values, np.ndarray[tuple[int, int], np.dtype[np.int64]], Banks]:
    """Return the sums of a series, the ends of the training windows, and their banks."""
    values = np.sin(np.arange(points) / 15) + np.random.default_rng(5).normal(0, 0.05, points).cumsum()
    sums = np.concatenate(([0.0], np.cumsum(values)))
    known = np.tile(np.arange(LENGTHS[-1] - 1, 1_500, 7), (len(LENGTHS), 1))
    return sums, known, Banks.of(sums, known, LENGTHS)


def test_the_nearest_windows_of_every_length_are_those_of_a_slow_reference() -> None:
    sums, known, banks = banks_of()
    ends = np.arange(1_500, 2_000, 13)
    nearest, near = banks.nearest(sums, ends), banks.nearest(sums, known[0], known, np.full(len(LENGTHS), 100.0))
    for number, length in enumerate(LENGTHS):
        layout, distances = Layout.of((length,)), nearest.distances[:, number]
        every = np.linalg.norm(vectors(sums, ends, layout)[:, None] - vectors(sums, known[number], layout), axis=2)
        np.testing.assert_allclose(distances, every.min(axis=1), atol=0.1)
        np.testing.assert_allclose(every[np.arange(len(ends)), nearest.places[:, number]], distances, atol=0.1)
        apart = banks.nearest(sums, known[0], known, np.zeros(len(LENGTHS))).distances[:, number]
        assert near.distances[:, number].min() > apart.max() - 0.1


def test_a_window_that_begins_before_the_first_value_has_no_distance() -> None:
    sums, _, banks = banks_of()
    ends = np.array([2, 3, 50, 99])
    is_full = ends[:, None] + 1 >= np.array(LENGTHS)
    np.testing.assert_array_equal(~np.isnan(banks.nearest(sums, ends).distances), is_full)


def test_banks_that_store_fewer_axes_for_short_windows_have_the_same_neighbors() -> None:
    """Earlier releases stored as many axes as a vector has dimensions, without the padding."""
    sums, _, banks = banks_of()
    counts = np.minimum(AXES, banks.layout.widths - 1)
    codes = [
        np.concatenate((codes[:, :count], codes[:, -1:]), axis=1).ravel()
        for codes, count in zip(banks.codes, counts, strict=True)
    ]
    axes = [
        part[:, :count].ravel()
        for part, count in zip(np.split(banks.axes, banks.layout.last[:-1] + 1), counts, strict=True)
    ]
    assert min(counts) < AXES
    stored = Banks.stored(LENGTHS, np.concatenate(codes), banks.steps, banks.means, np.concatenate(axes))
    for expected, found in zip(
        banks.nearest(sums, np.arange(1_500, 2_000)), stored.nearest(sums, np.arange(1_500, 2_000)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_series_that_rises_and_resets_to_near_zero_is_a_counter() -> None:
    counter = np.cumsum(np.random.default_rng(1).poisson(9, 300) + 1.0)
    reset = counter - np.where(np.arange(300) < 200, 0, counter[199])
    assert is_counter(counter)
    assert is_counter(reset)
    assert not is_counter(NOISE[:300])
    assert not is_counter(NOISE[:300].cumsum() + 1_000)
    assert increments(reset, 10.0)[199] == 10.0
    np.testing.assert_array_equal(increments(counter, 10.0), np.diff(counter))


@pytest.mark.parametrize(
    ("values", "start"),
    [
        (np.repeat([10.0, 30.0], 500) + NOISE[:1_000], 500),
        (NOISE[:1_000], 0),
        (np.arange(1_000) / 50 + NOISE[:1_000], 0),  # a trend is not a step
        (np.tile(np.repeat([0.0, 9.0], 100), 5) + NOISE[:1_000], 0),  # a level that was there before is not new
    ],
    ids=["step", "noise", "trend", "switch"],
)
def test_a_regime_begins_at_a_step_to_values_never_seen(values: Values, start: int) -> None:
    assert newest_regime(values) == start


def test_a_stretch_far_from_the_rest_is_an_incident_and_many_are_not() -> None:
    once, often = NOISE[:2_000].copy(), NOISE[:2_000].copy()
    once[900:960] += 50
    for start in range(100, 2_000, 200):
        often[start : start + 15] += 50
    assert set(range(900, 960)) <= set(np.flatnonzero(incidents(once)).tolist()) <= set(range(890, 970))
    assert not incidents(often).any()


def test_means_and_runs_match_slow_references() -> None:
    values = np.round(NOISE[:200])
    means = [values[max(end - 15, 0) : end + 1].mean() for end in range(200)]
    np.testing.assert_allclose(trailing_mean(values, 16), means, atol=1e-12)
    runs: list[int] = []
    for value, before in zip(values, [math.nan, *values[:-1]], strict=True):
        runs.append(runs[-1] + 1 if value == before else 1)
    assert run_lengths(values).tolist() == runs


@pytest.mark.parametrize("start", [0, 17, 240])
def test_a_rolling_median_does_not_depend_on_where_the_values_begin(start: int) -> None:
    """A point with enough values before it has the same median in a batch and in a part of it."""
    whole = rolling_median(NOISE[:600], 48, 5)
    part = rolling_median(NOISE[start:600], 48, 5 + start)
    np.testing.assert_array_equal(part[50:], whole[start + 50 :])
    assert whole[100] == np.median(NOISE[51:99])  # of the 48 values before the stride of two that it is in


def test_a_value_is_stuck_if_it_repeats_longer_than_it_ever_did() -> None:
    stuck = Stuck.of(np.tile([0.0] * 10 + [1.0] * 3, 20))
    assert stuck.ratios(np.zeros(17)).max() == 1.0
    assert stuck.ratios(np.zeros(18)).max() > 1
    assert stuck.ratios(np.ones(7)).max() > 1


def test_a_vocabulary_is_learned_only_if_new_values_are_rare() -> None:
    few = np.resize([0.0, 1.0, 2.0], 1_000)
    assert Vocabulary.of(few, 0.001).ratios(np.array([1.0, 3.0])).tolist() == [0.0, 2.0]
    assert len(Vocabulary.of(np.append(few, 7.0), 0.001).values) == 0
    assert len(Vocabulary.of(NOISE, 0.001).values) == 0


def test_the_season_with_the_smallest_held_out_error_is_chosen() -> None:
    timestamps = MONDAY + 3_600 * np.arange(24 * 28)
    usable = np.ones(len(timestamps), dtype=np.bool_)
    hour, day = timestamps // 3_600 % 24, (timestamps - MONDAY) // 86_400 % 7
    daily = 3.0 * (hour >= 8) + 0.1 * NOISE[: len(hour)]
    for values, cycle_s in ((daily, 86_400), (daily * (day < 5), 604_800)):
        fitted = fit_season(timestamps, values, usable, 3_600.0, 0.001, "UTC")
        assert fitted is not None
        assert fitted[0].cycle_s == cycle_s
    assert fit_season(timestamps, NOISE[: len(hour)], usable, 3_600.0, 0.001, "UTC") is None
